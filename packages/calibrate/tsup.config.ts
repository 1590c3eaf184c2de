import { library } from "../../tsup.shared.ts";

export default library(
  {
    index: "src/index.ts",
    node: "src/compute/node.ts",
    webgpu: "src/compute/webgpu.ts",
    "node-thread": "src/compute/node-thread.ts",
    "web-thread": "src/compute/web-thread.ts",
  },
  // CommonJS has no import.meta.url, beside which the thread's script lies
  { shims: true },
);

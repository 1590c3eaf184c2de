import { library } from "../../tsup.shared.ts";

export default library(
  {
    index: "src/index.ts",
    node: "src/run/workers/node.ts",
    "node-worker": "src/run/workers/node-worker.ts",
    "web-worker": "src/run/workers/web-worker.ts",
  },
  // CommonJS has no import.meta.url, beside which the worker lies
  { shims: true },
);

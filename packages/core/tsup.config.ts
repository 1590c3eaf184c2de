import { library } from "../../tsup.shared.ts";

export default library({
  index: "src/index.ts",
  bits: "src/bits/index.ts",
  format: "src/format/index.ts",
  http: "src/io/http.ts",
  hub: "src/io/hub/index.ts",
  kernels: "src/kernels/index.ts",
  node: "src/io/node/index.ts",
  numeric: "src/numeric/index.ts",
  solve: "src/solve/index.ts",
  testing: "src/testing/index.ts",
  text: "src/text-index.ts",
  view: "src/view/index.ts",
  web: "src/io/web/index.ts",
});

import { library } from "../../tsup.shared.ts";

export default library(
  { index: "src/index.ts" },
  {
    parts: {
      header: "src/reader.ts",
      types: "src/types/index.ts",
      view: "src/view/index.ts",
      recipes: "src/recipes/index.ts",
    },
  },
);

import { library } from "../../tsup.shared.ts";

export default library(
  { index: "src/index.ts" },
  {
    parts: {
      header: "src/reader.ts",
      types: "src/types/index.ts",
      grid: "src/grid/index.ts",
      recipes: "src/recipes/index.ts",
    },
  },
);

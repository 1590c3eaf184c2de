import type { WeightFormat } from "@requant/core/format";
import { mlxSource } from "./source.ts";
import { mlxTarget } from "./target.ts";

/** Everything that `@requant/convert` needs of this package. */
export const mlxFormat: WeightFormat = /* @__PURE__ */ Object.assign({}, mlxSource, {
  target: mlxTarget,
});

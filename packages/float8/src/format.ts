import type { WeightFormat } from "@requant/core/format";
import { float8Source } from "./source.ts";
import { float8Target } from "./target.ts";

/** Everything that `@requant/convert` needs of this package. */
export const float8Format: WeightFormat = /* @__PURE__ */ withTarget();

function withTarget(): WeightFormat {
  return { ...float8Source, target: float8Target };
}

import type { WeightFormat } from "@requant/core/format";
import { exl2Source } from "./source.ts";
import { exl2Target } from "./target.ts";

/** Everything that `@requant/convert` needs of this package. */
export const exl2Format: WeightFormat = /* @__PURE__ */ withTarget();

function withTarget(): WeightFormat {
  return { ...exl2Source, target: exl2Target };
}

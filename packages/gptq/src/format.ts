import type { WeightFormat } from "@requant/core/format";
import { gptqSource } from "./source.ts";
import { gptqTarget } from "./target.ts";

/** Everything that `@requant/convert` needs of this package. */
export const gptqFormat: WeightFormat = /* @__PURE__ */ withTarget();

function withTarget(): WeightFormat {
  return { ...gptqSource, target: gptqTarget };
}

import type { WeightFormat } from "@requant/core/format";
import { awqOrder } from "./diagnosis.ts";
import { awqSource } from "./source.ts";
import { awqTarget } from "./target.ts";

/** Everything that `@requant/convert` needs of this package. */
export const awqFormat: WeightFormat = /* @__PURE__ */ withTarget();

function withTarget(): WeightFormat {
  return { ...awqSource, target: awqTarget, diagnoses: [awqOrder] };
}

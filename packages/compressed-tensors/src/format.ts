import type { WeightFormat } from "@requant/core/format";
import { compressedTensorsSource } from "./source.ts";
import { compressedTensorsTarget } from "./target.ts";

/** Everything that `@requant/convert` needs of this package. */
export const compressedTensorsFormat: WeightFormat = /* @__PURE__ */ withTarget();

function withTarget(): WeightFormat {
  return { ...compressedTensorsSource, target: compressedTensorsTarget };
}

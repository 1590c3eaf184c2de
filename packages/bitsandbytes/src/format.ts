import type { WeightFormat } from "@requant/core/format";
import { bitsAndBytesSource } from "./source.ts";
import { bitsAndBytesTarget } from "./target.ts";

/** Everything that `@requant/convert` needs of this package. */
export const bitsAndBytesFormat: WeightFormat = /* @__PURE__ */ Object.assign({}, bitsAndBytesSource, {
  target: bitsAndBytesTarget,
});

import type { WeightFormat } from "@requant/core/format";
import { quantoSource } from "./source.ts";

/** Everything that `@requant/convert` needs of this package. */
export const quantoFormat: WeightFormat = quantoSource;

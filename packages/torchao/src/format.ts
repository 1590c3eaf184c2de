import type { WeightFormat } from "@requant/core/format";
import { torchaoSource } from "./source.ts";

/** Everything that `@requant/convert` needs of this package. */
export const torchaoFormat: WeightFormat = torchaoSource;

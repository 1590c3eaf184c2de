import type { WeightFormat } from "@requant/core/format";
import { bitnetSource } from "./source.ts";

/** Everything that `@requant/convert` needs of this package. */
export const bitnetFormat: WeightFormat = bitnetSource;

import type { WeightFormat } from "@requant/core/format";
import { hqqSource } from "./source.ts";

/** Everything that `@requant/convert` needs of this package. */
export const hqqFormat: WeightFormat = hqqSource;

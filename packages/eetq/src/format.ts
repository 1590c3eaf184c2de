import type { WeightFormat } from "@requant/core/format";
import { eetqSource } from "./source.ts";

/** Everything that `@requant/convert` needs of this package. */
export const eetqFormat: WeightFormat = eetqSource;

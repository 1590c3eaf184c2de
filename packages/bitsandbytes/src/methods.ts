/** How configurations of bitsandbytes are recognised. */
import type { FormatMethod } from "@requant/core/format";

type Json = Readonly<Record<string, unknown>>;

/** bitsandbytes quantizes when a model is loaded, or stores what it quantized then. */
export const bitsAndBytesMethod: FormatMethod = {
  names: ["bitsandbytes"],
  isSign: isLoadedInFewBits,
  quantizesAtLoading: isLoadedInFewBits,
  leavesFloats: true,
};

function isLoadedInFewBits(settings: Json): boolean {
  return settings["load_in_4bit"] === true || settings["load_in_8bit"] === true;
}

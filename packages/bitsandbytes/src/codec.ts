import type { LinearCodec, RowWeight } from "@requant/core/format";
import { eightBitScales, openEightBit } from "./eight-bit.ts";
import { fourBitParameters, openFourBit } from "./four-bit.ts";
import {
  type BitsAndBytesClaims,
  type BitsAndBytesLayout,
  partsOf,
  readLayout,
  STATE_SUFFIXES,
} from "./layout.ts";

export type { BitsAndBytesClaims, BitsAndBytesLayout, EightBitLayout, FourBitLayout } from "./layout.ts";

/** Weights in the layouts of bitsandbytes: NF4, FP4 and LLM.int8. They are read as rows of floats. */
export const bitsAndBytesCodec: LinearCodec<BitsAndBytesLayout, BitsAndBytesClaims, RowWeight> = {
  name: "bitsandbytes",
  suffixes: [
    "weight",
    "weight.absmax",
    "weight.nested_absmax",
    "weight.nested_quant_map",
    "weight.quant_map",
    ...Object.keys(STATE_SUFFIXES),
    "SCB",
    "weight_format",
  ],
  requiredSuffixes: ["weight"],
  readLayout,
  parts: partsOf,
  parameterSuffixes: (layout) => {
    const suffixes = partsOf(layout).map(({ suffix }) => suffix);
    return suffixes.filter((suffix) => suffix !== "weight");
  },
  /** There is no view, and so there are no facts of one. */
  measure(layout, bytes, place) {
    if (layout.kind === "int8") eightBitScales(layout, bytes, place);
    else fourBitParameters(layout, bytes, place);
    return undefined;
  },
  open: (layout, bytes, place) =>
    layout.kind === "int8" ? openEightBit(layout, bytes, place) : openFourBit(layout, bytes, place),
};

import { type FieldStreams, streamFields, unpackFields } from "@requant/core/bits";
import { type LinearCodec, levelWeight, type RowWeight, readWords } from "@requant/core/format";
import { type MlxClaims, type MlxLayout, partsOf, readMlxLayout } from "./layout.ts";
import { examineParameters, parametersOf, partOf } from "./parameters.ts";

export type { MlxClaims, MlxLayout, MlxMode } from "./layout.ts";

/** Weights as MLX stores them: a stack of matrices is one weight with the rows of all. */
export const mlxCodec: LinearCodec<MlxLayout, MlxClaims, RowWeight> = {
  name: "MLX",
  suffixes: ["weight", "scales", "biases", "global_scale"],
  requiredSuffixes: ["weight", "scales"],
  readLayout: readMlxLayout,
  parts: partsOf,
  parameterSuffixes: (layout) =>
    partsOf(layout).flatMap(({ suffix }) => (suffix === "weight" ? [] : [suffix])),
  measure: (layout, bytes, place) => examineParameters(layout, bytes, place).facts,

  open(layout, bytes, place) {
    examineParameters(layout, bytes, place);
    const stored = partOf(layout, "weight", bytes, place);
    const words = readWords(stored, 32);
    const table = streamFields(layout.bits);
    const unpack = (rowStart: number, rowEnd: number, codes: Uint8Array): void => {
      unpackFields(table, words, rowStreams(layout, rowStart, rowEnd), codes);
    };
    const bits = ([4, 8] as const).find((width) => width === layout.bits);
    const codes = bits === undefined ? undefined : { bits, bytes: stored };
    return levelWeight(parametersOf(layout, bytes, place), unpack, codes);
  },
};

/** Each row is one stream of whole words. */
export function rowStreams(
  { columns, bits }: Pick<MlxLayout, "columns" | "bits">,
  rowStart: number,
  rowEnd: number,
): FieldStreams {
  const width = (columns * bits) / 32;
  return {
    streams: rowEnd - rowStart,
    fields: columns,
    wordStart: rowStart * width,
    wordStep: 1,
    streamStep: width,
    fieldStart: 0,
    fieldStep: columns,
  };
}

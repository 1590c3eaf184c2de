import { type ErrorPlace, FormatError } from "@requant/core";
import { checkParts, findPart, type LinearLayout, type LinearPart } from "@requant/core/format";
import type { QuantState } from "./quant-state.ts";

/** bitsandbytes, 4 bit: W [N, K] flattened row by row, in blocks of B weights; a block may go on in the next row, the last
 * block may be short, S = ⌈N K / B⌉
 *   weight                                  U8   [⌈N K / 2⌉, 1]  two codes a byte, the first in the high bits; the same
 *                                                                bytes may be called BF16, F16 or F32
 *   weight.absmax                           F32  [S]             scale of each block; U8 where it is quantized too
 *   weight.quant_map                        F32  [16]            the values of the codes
 *   weight.nested_absmax                    F32  [⌈S / D⌉]       with quantized scales only, in blocks of D
 *   weight.nested_quant_map                 F32  [256]           the same
 *   weight.quant_state.bitsandbytes__nf4    U8   [bytes]         JSON: N, K, B, D, type, offset of the scales; or …__fp4
 * scale = absmax, or nested_quant_map[absmax] × nested_absmax + offset
 * value = round(quant_map[code] × scale), to the type that the JSON names. Each step is rounded to f32.
 * Source: bitsandbytes, functional.py (`QuantState`, `dequantize_4bit`).
 */
export interface FourBitLayout extends LinearLayout {
  readonly kind: "nf4" | "fp4";
  /** Weights that share a scale, in the order of the flattened weight. */
  readonly blockSize: number;
  /** Scales that share a scale of their own; 0 where the scales are plain floats. */
  readonly nestedBlockSize: number;
  /** What each value is rounded to. */
  readonly dtype: "F32" | "F16" | "BF16";
  /** The encoding that the packed codes have in the file. */
  readonly storage: "U8" | "F16" | "BF16" | "F32";
  /** Bytes of the JSON. */
  readonly stateLength: number;
}

/** bitsandbytes, 8 bit (LLM.int8): K columns of W, N rows
 *   weight         I8   [N, K]
 *   SCB            F32  [N]     largest magnitude of each row
 *   weight_format  U8   []      0: row by row; absent in old files
 * value = (code × SCB) × f32(1 / 127). Each product is rounded to f32.
 * Source: bitsandbytes, functional.py (`int8_vectorwise_dequant`).
 */
export interface EightBitLayout extends LinearLayout {
  readonly kind: "int8";
  readonly hasFormat: boolean;
}

/** Either of them. */
export type BitsAndBytesLayout = FourBitLayout | EightBitLayout;

/** What shapes do not tell: the JSON of 4-bit weights. */
export interface BitsAndBytesClaims {
  readonly state?: QuantState | undefined;
}

/** The kinds of 4-bit weights, by the part that holds their JSON. */
export const STATE_SUFFIXES: Readonly<Record<string, FourBitLayout["kind"]>> = {
  "weight.quant_state.bitsandbytes__nf4": "nf4",
  "weight.quant_state.bitsandbytes__fp4": "fp4",
};

const STORAGE_WIDTHS: Readonly<Record<FourBitLayout["storage"], number>> = { U8: 1, F16: 2, BF16: 2, F32: 4 };

/** The number of blocks of a 4-bit weight. */
export function blockCount({ rows, columns, blockSize }: FourBitLayout): number {
  return Math.ceil((rows * columns) / blockSize);
}

/** The parts that a layout stores. */
export function partsOf(layout: BitsAndBytesLayout): LinearPart[] {
  return layout.kind === "int8" ? eightBitParts(layout) : fourBitParts(layout);
}

function eightBitParts({ rows, columns, hasFormat }: EightBitLayout): LinearPart[] {
  return [
    { suffix: "SCB", encoding: "F32", shape: [rows] },
    { suffix: "weight", encoding: "I8", shape: [rows, columns] },
    ...(hasFormat ? [{ suffix: "weight_format", encoding: "U8", shape: [] }] : []),
  ];
}

function fourBitParts(layout: FourBitLayout): LinearPart[] {
  const { rows, columns, kind, nestedBlockSize, storage, stateLength } = layout;
  const blocks = blockCount(layout);
  const isNested = nestedBlockSize > 0;
  const byteLength = Math.ceil((rows * columns) / 2);
  const parts: LinearPart[] = [
    { suffix: "weight", encoding: storage, shape: [byteLength / STORAGE_WIDTHS[storage], 1] },
    { suffix: "weight.absmax", encoding: isNested ? "U8" : "F32", shape: [blocks] },
  ];
  if (isNested) {
    const count = Math.ceil(blocks / nestedBlockSize);
    parts.push({ suffix: "weight.nested_absmax", encoding: "F32", shape: [count] });
    parts.push({ suffix: "weight.nested_quant_map", encoding: "F32", shape: [256] });
  }
  parts.push({ suffix: "weight.quant_map", encoding: "F32", shape: [16] });
  parts.push({ suffix: `weight.quant_state.bitsandbytes__${kind}`, encoding: "U8", shape: [stateLength] });
  return parts;
}

/** The layout that the parts have. @throws FormatError where they contradict each other or the JSON */
export function readLayout(
  parts: readonly LinearPart[],
  { state }: BitsAndBytesClaims,
  place: ErrorPlace = {},
): BitsAndBytesLayout {
  const layout = parts.some(({ suffix }) => suffix === "SCB")
    ? eightBitLayout(parts, place)
    : fourBitLayout(parts, state, place);
  checkParts(parts, partsOf(layout), layout, place);
  return layout;
}

function eightBitLayout(parts: readonly LinearPart[], place: ErrorPlace): EightBitLayout {
  const { encoding, shape } = findPart(parts, "weight", place);
  const [rows, columns] = shape;
  if (shape.length !== 2 || !isCount(rows) || !isCount(columns)) {
    throw new FormatError(
      `The part weight is ${encoding} [${shape.join(", ")}]; a matrix was expected.`,
      place,
    );
  }
  return { kind: "int8", rows, columns, hasFormat: parts.some(({ suffix }) => suffix === "weight_format") };
}

function fourBitLayout(
  parts: readonly LinearPart[],
  state: QuantState | undefined,
  place: ErrorPlace,
): FourBitLayout {
  const stored = parts.find(({ suffix }) => Object.hasOwn(STATE_SUFFIXES, suffix));
  const kind = STATE_SUFFIXES[stored?.suffix ?? ""];
  const [stateLength, ...more] = stored?.shape ?? [];
  if (state === undefined || kind === undefined || more.length > 0 || !isCount(stateLength)) {
    throw new FormatError(
      `The part weight.quant_state.bitsandbytes__nf4 or …__fp4, which holds the shape of the weight, is missing or no list of bytes; there are ${parts.map(({ suffix }) => suffix).join(", ")}.`,
      place,
    );
  }
  if (state.kind !== kind) {
    throw new FormatError(`The part ${stored?.suffix} says quant_type "${state.kind}".`, place);
  }
  const { rows, columns, blockSize, nestedBlockSize, dtype } = state;
  const { encoding } = findPart(parts, "weight", place);
  if (!isStorage(encoding)) {
    throw new FormatError(`The part weight is ${encoding}; U8, F16, BF16 or F32 was expected.`, place);
  }
  return { kind, rows, columns, blockSize, nestedBlockSize, dtype, storage: encoding, stateLength };
}

function isStorage(encoding: string): encoding is FourBitLayout["storage"] {
  return Object.hasOwn(STORAGE_WIDTHS, encoding);
}

function isCount(size: number | undefined): size is number {
  return size !== undefined && Number.isSafeInteger(size) && size > 0;
}

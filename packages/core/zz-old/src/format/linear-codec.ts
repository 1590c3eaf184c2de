import { hostIsLittleEndian } from "../bits/host.ts";
import { type ErrorPlace, FormatError, UnsupportedError, UsageError } from "../errors.ts";
import { BF16, F16 } from "../kernels/float-twin.ts";
import { floatBitsToBfloat } from "../numeric/bfloat.ts";
import { floatBitsToHalf } from "../numeric/half.ts";
import type { ViewFacts } from "../view/facts.ts";
import type { IntegerView } from "../view/integer-view.ts";
import type { LevelView, StoredView } from "../view/level-view.ts";
import type { ViewRequirement } from "../view/requirement.ts";
import type { PackedNibbles } from "./packed-nibbles.ts";

/** One stored tensor of a linear weight. */
export interface LinearPart {
  /** The end of its name, after the module's name: "qweight". */
  readonly suffix: string;
  /** As the container names it: "I32", "F16". */
  readonly encoding: string;
  readonly shape: readonly number[];
}

/** The stored bytes of the parts, by suffix; little-endian, as they are in the file. The caller owns them. */
export type PartBytes = Readonly<Record<string, Uint8Array>>;

/** The fields of every layout. A format adds its own fields; all are plain JSON, so that a plan can hold them. */
export interface LinearLayout {
  /** Out features: rows of W. */
  readonly rows: number;
  /** In features: columns of W. */
  readonly columns: number;
}

/**
 * A codec of weights that are stored as several tensors: GPTQ, AWQ, EXL2, compressed-tensors. Pure, synchronous, and
 * writing only into arrays that the caller owns.
 */
export interface LinearCodec<
  Layout extends LinearLayout,
  Claims,
  Weight extends OpenedWeight = LinearWeight,
> {
  /** As users see it: "GPTQ". */
  readonly name: string;
  /** Suffixes of all parts that a weight may have. A module with all of `requiredSuffixes` is a weight of this format. */
  readonly suffixes: readonly string[];
  readonly requiredSuffixes: readonly string[];
  /**
   * The layout from the parts' names, encodings and shapes, and from the configuration's claims for what the parts do not
   * show.
   * @throws FormatError when the parts contradict each other, naming what was expected
   */
  readLayout(parts: readonly LinearPart[], claims: Claims, place?: ErrorPlace): Layout;
  /** The parts that a layout stores, in the order in which tools write them. */
  parts(layout: Layout): LinearPart[];
  /** Suffixes of the parts that `measure` needs: all but the codes. */
  parameterSuffixes(layout: Layout): string[];
  /**
   * Facts of a stored weight from its small parts.
   * @throws FormatError when a part makes no sense (group index out of range, scale that is not a number)
   */
  measure(
    layout: Layout,
    bytes: PartBytes,
    place?: ErrorPlace,
  ): Weight extends LinearWeight ? ViewFacts : ViewFacts | undefined;
  /** @throws FormatError as `measure` does, and when a part is missing or has another length than its shape says */
  open(layout: Layout, bytes: PartBytes, place?: ErrorPlace): Weight;
}

/** A codec that can also be written from a view. */
export interface LinearEncoder<Layout extends LinearLayout> {
  /** What a view must be for the layout to hold it exactly. */
  requirement(layout: Layout): ViewRequirement;
  /** `fromView` takes bands of rows that begin at multiples of this. */
  rowMultiple(layout: Layout): number;
  /**
   * Writes a band of rows, `rowStart` on, into the parts (see `allocateParts`). Codes are kept; scales and offsets that
   * the layout cannot hold are rounded: ask `viewMisfit` with the requirement whether any would be.
   * @throws UsageError when the codes or groups do not fit; ask `viewMisfit` with `roundingAllowed(requirement)` before
   */
  fromView(layout: Layout, view: StoredView, rowStart: number, bytes: PartBytes): void;
}

/** What every opened weight can: it was checked once, and is read in bands of rows. */
interface ReadableRows {
  readonly rows: number;
  readonly columns: number;
  /** f32 values of rows `[rowStart, rowEnd)`, exactly what the stored numbers mean. */
  dequantize(rowStart: number, rowEnd: number, out: Float32Array): void;
}

/** An opened weight whose values are not integers around zero points times a scale. */
export interface RowWeight extends ReadableRows {
  readonly toView?: undefined;
  /**
   * The same rows as a general view, where the format's arithmetic is one: levels of a table, or offsets that are floats.
   * Left out where it is not, as with values that are rounded twice.
   */
  toLevels?(rowStart: number, rowEnd: number): LevelView;
  /** The same without the scale of the whole weight, where the format stores such a scale: see `TensorScale`. */
  toUnscaled?(rowStart: number, rowEnd: number): LevelView;
}

/** A stored weight, opened. `toView` tells the two kinds apart. */
export type OpenedWeight = LinearWeight | RowWeight;

/** An opened weight of integers around zero points, times a scale. */
export interface LinearWeight extends ReadableRows {
  readonly toLevels?: undefined;
  /**
   * The integers of rows `[rowStart, rowEnd)`; with `part`, those of some of the columns, written into the caller's
   * memory.
   */
  toView(rowStart: number, rowEnd: number, part?: ViewPart): IntegerView;
  /** A part's columns begin and end at multiples of this. */
  readonly columnMultiple: number;
  /**
   * The same numbers as stored words, where the format stores them so. A wrapper that changes `toView` leaves this field
   * out.
   */
  readonly nibbles?: PackedNibbles | undefined;
}

/**
 * A part of a weight, for callers that read a weight part by part without allocating. The codes go to `codes`, an array
 * of exactly their number; the view's scales and zero points are the weight's own arrays, of all groups: do not write to
 * them.
 */
export interface ViewPart {
  readonly codes: Uint8Array;
  /** Columns `[columnStart, columnEnd)`; all by default. */
  readonly columnStart?: number;
  readonly columnEnd?: number;
}

const BYTE_LENGTHS: Readonly<Record<string, number>> = {
  I64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
};

/** Bytes that a part takes. @throws UnsupportedError for an encoding that no linear format uses */
export function partByteLength({ suffix, encoding, shape }: LinearPart): number {
  const width = BYTE_LENGTHS[encoding];
  if (width === undefined) throw new UnsupportedError(`The part ${suffix} has encoding ${encoding}.`);
  return shape.reduce((product, size) => product * size, width);
}

/** Zeroed arrays for all parts. */
export function allocateParts(parts: readonly LinearPart[]): Record<string, Uint8Array> {
  return Object.fromEntries(parts.map((part) => [part.suffix, new Uint8Array(partByteLength(part))]));
}

/** The bytes of a part. @throws FormatError when it is missing or has the wrong length */
export function partBytes(bytes: PartBytes, part: LinearPart, place: ErrorPlace = {}): Uint8Array {
  const found = bytes[part.suffix];
  const expected = partByteLength(part);
  if (found === undefined) throw new FormatError(`The part ${part.suffix} is missing.`, place);
  if (found.byteLength !== expected) {
    throw new FormatError(
      `The part ${part.suffix} has ${found.byteLength} bytes, ${expected} were expected for ${part.encoding} [${part.shape.join(", ")}].`,
      place,
    );
  }
  return found;
}

/** The part with this suffix. @throws FormatError that names what is missing */
export function findPart(parts: readonly LinearPart[], suffix: string, place: ErrorPlace = {}): LinearPart {
  const part = parts.find((candidate) => candidate.suffix === suffix);
  if (part !== undefined) return part;
  throw new FormatError(
    `The part ${suffix} is missing; there are ${parts.map((candidate) => candidate.suffix).join(", ") || "none"}.`,
    place,
  );
}

/** Words of 32, 16 or 8 bits of a part, unsigned: a view where the platform can give one, else a copy. */
export function readWords(bytes: Uint8Array, bitWidth: 32): Uint32Array;
export function readWords(bytes: Uint8Array, bitWidth: 16): Uint16Array;
export function readWords(bytes: Uint8Array, bitWidth: 32 | 16 | 8): Uint32Array | Uint16Array | Uint8Array;
export function readWords(bytes: Uint8Array, bitWidth: 32 | 16 | 8): Uint32Array | Uint16Array | Uint8Array {
  if (bitWidth === 8) return bytes;
  const width = bitWidth / 8;
  if (hostIsLittleEndian && bytes.byteOffset % width === 0) return viewWords(bytes, bitWidth);
  const copy = bytes.slice();
  if (!hostIsLittleEndian) for (let i = 0; i < copy.length; i += width) copy.subarray(i, i + width).reverse();
  return viewWords(copy, bitWidth);
}

/**
 * Words of a part that is being written: always a view.
 * @throws UsageError for bytes that do not begin at a whole word; UnsupportedError on a big-endian machine
 */
export function writeWords(bytes: Uint8Array, bitWidth: 32): Uint32Array;
export function writeWords(bytes: Uint8Array, bitWidth: 16): Uint16Array;
export function writeWords(bytes: Uint8Array, bitWidth: 32 | 16 | 8): Uint32Array | Uint16Array | Uint8Array;
export function writeWords(bytes: Uint8Array, bitWidth: 32 | 16 | 8): Uint32Array | Uint16Array | Uint8Array {
  if (bitWidth === 8) return bytes;
  if (!hostIsLittleEndian)
    throw new UnsupportedError("Packed words are written on little-endian machines only.");
  if (bytes.byteOffset % (bitWidth / 8) !== 0) {
    throw new UsageError(
      "An array for packed words must begin at a whole word; allocateParts gives such arrays.",
    );
  }
  return viewWords(bytes, bitWidth);
}

function viewWords(bytes: Uint8Array, bitWidth: 32 | 16): Uint32Array | Uint16Array {
  return bitWidth === 32
    ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2)
    : new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 1);
}

/** Float encodings that scales are stored in. */
export type ScaleEncoding = "F16" | "BF16" | "F32";

/**
 * The float encoding of a part.
 * @throws FormatError for anything else
 */
export function scaleEncoding(part: LinearPart, place: ErrorPlace = {}): ScaleEncoding {
  const { encoding, suffix } = part;
  if (encoding === "F16" || encoding === "BF16" || encoding === "F32") return encoding;
  throw new FormatError(`The part ${suffix} is ${encoding}; F16, BF16 or F32 was expected.`, place);
}

/** A small part of floats, whole, as f32. */
export function readFloats(bytes: Uint8Array, encoding: ScaleEncoding): Float32Array {
  if (encoding === "F32") return Float32Array.from(new Float32Array(readWords(bytes, 32).slice().buffer));
  const floats = new Float32Array(bytes.byteLength >>> 1);
  (encoding === "F16" ? F16 : BF16).dequantize(bytes, floats);
  return floats;
}

const floatScratch = new Float32Array(1);
const bitScratch = new Uint32Array(floatScratch.buffer);

/** Writes one float as the `index`-th of a part; the value is one that the encoding holds, or is rounded to even. */
export function writeFloat(
  words: Uint32Array | Uint16Array,
  index: number,
  encoding: ScaleEncoding,
  value: number,
): void {
  floatScratch[0] = value;
  const bits = bitScratch[0]!;
  words[index] =
    encoding === "F32" ? bits : encoding === "F16" ? floatBitsToHalf(bits) : floatBitsToBfloat(bits);
}

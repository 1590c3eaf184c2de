/** The JSON that bitsandbytes stores beside 4-bit weights: everything about them that is no list of numbers. */
import { type ErrorPlace, FormatError, misfitOf } from "@requant/core";
import * as z from "zod/mini";

/** What the JSON says. */
export interface QuantState {
  readonly kind: "nf4" | "fp4";
  readonly blockSize: number;
  /** What each value is rounded to. */
  readonly dtype: "F32" | "F16" | "BF16";
  readonly rows: number;
  readonly columns: number;
  /** Scales that share a scale of their own; 0 where the scales are not quantized. */
  readonly nestedBlockSize: number;
  /** Added to every scale that is quantized; an f32 number. */
  readonly nestedOffset: number;
}

/** Weights and scales that may share a scale: bitsandbytes has up to 4096. */
const MOST_IN_BLOCK = 2 ** 20;
/** The JSON takes about 170 bytes. */
const MOST_BYTES = 65_536;

const count = z.int().check(z.positive());

const stateSchema = z.looseObject({
  quant_type: z.enum(["nf4", "fp4"]),
  blocksize: count.check(z.lte(MOST_IN_BLOCK)),
  dtype: z.enum(["float32", "float16", "bfloat16"]),
  shape: z.tuple([count, count]),
  nested_blocksize: z.optional(count.check(z.lte(MOST_IN_BLOCK))),
  nested_offset: z.optional(z.number()),
});

const ENCODINGS = { float32: "F32", float16: "F16", bfloat16: "BF16" } as const;
const DTYPES = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;

/** The text of a nested offset has at most so many characters. */
const OFFSET_LENGTH = 24;

/** @throws FormatError for more bytes than such a JSON has, before they are read */
export function checkStateLength(byteLength: number, place: ErrorPlace): void {
  if (byteLength <= MOST_BYTES) return;
  throw new FormatError(
    `The JSON of the weight's quant_state has ${byteLength} bytes; at most ${MOST_BYTES} are read.`,
    place,
  );
}

/** Reads the stored bytes. @throws FormatError for bytes that are no such JSON */
export function parseQuantState(bytes: Uint8Array, place: ErrorPlace = {}): QuantState {
  checkStateLength(bytes.length, place);
  const json = jsonOf(bytes);
  const parsed = stateSchema.safeParse(json);
  if (!parsed.success) {
    throw new FormatError(
      `The weight's quant_state is no JSON of bitsandbytes: ${misfitOf(parsed.error.issues, json)}.`,
      place,
    );
  }
  const { quant_type: kind, blocksize, dtype, shape, nested_blocksize, nested_offset } = parsed.data;
  const [rows, columns] = shape;
  if (!Number.isSafeInteger(rows * columns)) {
    throw new FormatError(`The weight's quant_state says the shape [${rows}, ${columns}].`, place);
  }
  if ((nested_blocksize === undefined) !== (nested_offset === undefined)) {
    throw new FormatError(
      "The weight's quant_state has one of nested_blocksize and nested_offset, and needs both or none.",
      place,
    );
  }
  return {
    kind,
    blockSize: blocksize,
    dtype: ENCODINGS[dtype],
    rows,
    columns,
    nestedBlockSize: nested_blocksize ?? 0,
    nestedOffset: Math.fround(nested_offset ?? 0),
  };
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** What does not depend on the weights' values. */
export type PlainState = Omit<QuantState, "nestedOffset">;

/** Whether two states are the same but for a nested offset. */
export function isSameState(a: PlainState, b: PlainState): boolean {
  return (
    a.kind === b.kind &&
    a.rows === b.rows &&
    a.columns === b.columns &&
    a.blockSize === b.blockSize &&
    a.nestedBlockSize === b.nestedBlockSize &&
    a.dtype === b.dtype
  );
}

/** Bytes of the JSON as Requant writes it. */
export function quantStateLength(state: PlainState): number {
  return textOf(state, "0").length + (state.nestedBlockSize > 0 ? OFFSET_LENGTH - 1 : 0);
}

/**
 * The bytes: as bitsandbytes writes them, and behind a nested offset as many spaces as make the length `byteLength`, which
 * must be known before the offset is.
 */
export function serializeQuantState(state: QuantState, byteLength: number): Uint8Array {
  const text = textOf(state, String(state.nestedOffset));
  return new TextEncoder().encode(text.padEnd(byteLength, " "));
}

function textOf(state: PlainState, offset: string): string {
  const { kind, blockSize, dtype, rows, columns, nestedBlockSize } = state;
  const nested =
    nestedBlockSize > 0
      ? `, "nested_blocksize": ${nestedBlockSize}, "nested_dtype": "float32", "nested_offset": ${offset}`
      : "";
  return `{"quant_type": "${kind}", "blocksize": ${blockSize}, "dtype": "${DTYPES[dtype]}", "shape": [${rows}, ${columns}]${nested}}`;
}

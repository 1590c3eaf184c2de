import {
  type BigintType,
  type ByteSink,
  type ByteSource,
  type Metadata,
  type MetadataArray,
  type MetadataScalar,
  type MetadataValue,
  type NumberType,
  type ScalarType,
  UsageError,
} from "@requant/core";
import { layoutGguf, readGguf } from "@requant/gguf";

/** Metadata keys to set and to remove. */
export interface MetadataChange {
  /** Keys that are there keep their place; new ones come last. */
  readonly set?: ReadonlyMap<string, MetadataValue> | undefined;
  readonly unset?: readonly string[] | undefined;
}

const INTEGERS: Readonly<Record<string, readonly [least: bigint, greatest: bigint]>> = {
  u8: [0n, 0xffn],
  i8: [-0x80n, 0x7fn],
  u16: [0n, 0xffffn],
  i16: [-0x8000n, 0x7fffn],
  u32: [0n, 0xffff_ffffn],
  i32: [-0x8000_0000n, 0x7fff_ffffn],
  u64: [0n, 0xffff_ffff_ffff_ffffn],
  i64: [-0x8000_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn],
};

/** Type names as GGUF's documents and llama-quantize's --override-kv write them. */
const TYPE_ALIASES: Readonly<Record<string, ScalarType>> = {
  int: "i64",
  float: "f32",
  str: "string",
  uint8: "u8",
  int8: "i8",
  uint16: "u16",
  int16: "i16",
  uint32: "u32",
  int32: "i32",
  uint64: "u64",
  int64: "i64",
  float32: "f32",
  float64: "f64",
};

const SCALAR_TYPES: readonly ScalarType[] = [
  ...(["u8", "i8", "u16", "i16", "u32", "i32", "f32", "f64"] satisfies NumberType[]),
  ...(["u64", "i64"] satisfies BigintType[]),
  "bool",
  "string",
];

const ASSIGNMENT_HINT = `Write KEY=TYPE:VALUE, with TYPE one of ${SCALAR_TYPES.join(" ")}, or TYPE[] and a JSON array.`;

/**
 * Parses `KEY=TYPE:VALUE`: `general.name=string:My model`, `llama.context_length=u32:8192`, `tokenizer.ggml.scores=f32[]:[0,1]`.
 * @throws UsageError
 */
export function parseMetadataAssignment(text: string): [key: string, value: MetadataValue] {
  const match = /^([^=]+)=([a-z]+\d*)(\[\])?:(.*)$/s.exec(text);
  if (match === null) throw new UsageError(`"${text}" is no assignment`, { hint: ASSIGNMENT_HINT });
  const [, key = "", word = "", brackets, value = ""] = match;
  const type = TYPE_ALIASES[word] ?? SCALAR_TYPES.find((name) => name === word);
  if (type === undefined)
    throw new UsageError(`${key}: there is no metadata type "${word}"`, { hint: ASSIGNMENT_HINT });
  return [key, brackets === undefined ? parseScalar(key, type, value) : parseArray(key, type, value)];
}

function parseScalar(key: string, type: ScalarType, text: string): MetadataScalar {
  switch (type) {
    case "string":
      return { type, value: text };
    case "bool":
      if (text !== "true" && text !== "false")
        throw new UsageError(`${key}: a bool is true or false, found "${text}"`);
      return { type, value: text === "true" };
    case "f32":
    case "f64": {
      const value = text.trim() === "" ? Number.NaN : Number(text);
      if (Number.isNaN(value) && text !== "NaN") throw new UsageError(`${key}: "${text}" is no number`);
      return { type, value: type === "f32" ? Math.fround(value) : value };
    }
    case "u64":
    case "i64":
      return { type, value: parseInteger(key, type, text) };
    default:
      return { type, value: Number(parseInteger(key, type, text)) };
  }
}

function parseInteger(key: string, type: string, text: string): bigint {
  const [least, greatest] = INTEGERS[type] ?? [0n, 0n];
  if (!/^-?\d+$/.test(text.trim())) throw new UsageError(`${key}: "${text}" is no integer`);
  const value = BigInt(text.trim());
  if (value < least || value > greatest) {
    throw new UsageError(`${key}: ${value} does not fit ${type}`, {
      hint: `Allowed: ${least} to ${greatest}.`,
    });
  }
  return value;
}

function parseArray(key: string, type: ScalarType, text: string): MetadataArray {
  let items: unknown;
  try {
    items = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${key}: the array is not JSON`, { cause, hint: 'Write [1, 2] or ["a", "b"].' });
  }
  if (!Array.isArray(items)) throw new UsageError(`${key}: the value is no JSON array`);
  const scalars = items.map((item: unknown) => parseScalar(key, type, String(item)));
  const length = scalars.length;
  switch (type) {
    case "string":
      return { type: "array", elementType: type, length, value: scalars.map(({ value }) => String(value)) };
    case "bool":
      return { type: "array", elementType: type, length, value: scalars.map(({ value }) => value === true) };
    case "u64":
    case "i64":
      return { type: "array", elementType: type, length, value: scalars.map(({ value }) => BigInt(value)) };
    default:
      return { type: "array", elementType: type, length, value: scalars.map(({ value }) => Number(value)) };
  }
}

/** Metadata with changes applied. @throws UsageError for a key to unset that is not there. */
export function withChanges(metadata: Metadata, changes: MetadataChange): Map<string, MetadataValue> {
  const changed = new Map(metadata);
  for (const key of changes.unset ?? []) {
    if (!changed.delete(key)) throw new UsageError(`there is no key "${key}" to unset`);
  }
  for (const [key, value] of changes.set ?? []) changed.set(key, value);
  return changed;
}

const PIECE_BYTE_LENGTH = 4 * 1024 * 1024;

/**
 * Writes a GGUF file again with other metadata: same version, byte order and tensor bytes. The sink is closed when all
 * is written and aborted on failure, so that a file sink replaces the old file in one step or not at all.
 * @throws UsageError for a key to unset that is not there, or values that cannot be stored
 */
export async function editMetadata(
  source: ByteSource,
  sink: ByteSink,
  changes: MetadataChange,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  try {
    const file = await readGguf(source, options);
    const layout = layoutGguf({
      metadata: withChanges(file.metadata, changes),
      tensors: file.tensors,
      version: file.version,
      littleEndian: file.littleEndian,
    });
    await sink.write(layout.header);
    const piece = new Uint8Array(PIECE_BYTE_LENGTH);
    for (const [index, { byteOffset, byteLength }] of file.tensors.entries()) {
      for (let start = 0; start < byteLength; start += PIECE_BYTE_LENGTH) {
        options.signal?.throwIfAborted();
        const bytes = piece.subarray(0, Math.min(PIECE_BYTE_LENGTH, byteLength - start));
        await source.readInto(bytes, byteOffset + start);
        await sink.write(bytes);
      }
      const next = layout.tensors[index + 1]?.byteOffset ?? layout.byteLength;
      if (next > sink.byteLength) await sink.write(new Uint8Array(next - sink.byteLength));
    }
    await sink.close();
  } catch (error) {
    await sink.abort();
    throw error;
  }
}

/** One metadata key as a listing shows it. */
export interface MetadataLine {
  readonly key: string;
  /** "u32", "string", "array[string]". */
  readonly type: string;
  /** Elements of an array. */
  readonly length?: number | undefined;
  readonly value: string;
}

/** Metadata for people and scripts: arrays are cut after `arrayItems` elements. */
export function metadataLines(metadata: Metadata, arrayItems = 8): MetadataLine[] {
  return Array.from(metadata, ([key, value]) =>
    value.type === "array"
      ? {
          key,
          type: `array[${value.elementType}]`,
          length: value.length,
          value: arrayText(value, arrayItems),
        }
      : { key, type: value.type, value: String(value.value) },
  );
}

function arrayText(array: MetadataArray, items: number): string {
  const shown = Array.from({ length: Math.min(items, array.length) }, (_, index): string => {
    const item = array.value[index];
    if (typeof item === "string") return JSON.stringify(item);
    return typeof item === "object" ? arrayText(item, items) : String(item);
  });
  return `[${shown.join(", ")}${array.length > items ? ", …" : ""}]`;
}

/**
 * The numbers of the format. Long because it is mostly tables.
 */

import { type BlockField, type ErrorPlace, largest, UnsupportedError } from "@requant/core";
import { quoted } from "@requant/core/text";

/** "GGUF", as a little-endian file and a big-endian file both begin. */
export const GGUF_MAGIC: readonly number[] = [0x47, 0x47, 0x55, 0x46];

/** The version that is written by default. */
export const GGUF_VERSION = 3;

/** Versions that can be read and written. Version 2 differs from 3 only in that 3 may be big-endian. */
export const ggufVersions: readonly number[] = [2, 3];

/** Used where there is no `general.alignment` key. */
export const DEFAULT_ALIGNMENT = 32;

/** The metadata key of the alignment. */
export const ALIGNMENT_KEY = "general.alignment";

/** The keys of a part of a split model. */
export const SPLIT_KEYS: {
  readonly no: string;
  readonly count: string;
  readonly tensorsCount: string;
} = { no: "split.no", count: "split.count", tensorsCount: "split.tensors.count" };

/** Bytes of a tensor name that ggml has room for: 64 with the terminator (GGML_MAX_NAME); the specification allows 64. */
export const GGML_NAME_BYTE_LENGTH = 63;
export const TENSOR_NAME_BYTE_LENGTH = 64;

/** Dimensions of a tensor, in ggml and in the specification (GGML_MAX_DIMS). */
export const TENSOR_DIMENSION_COUNT = 4;

/** Metadata value types: the id is the index. */
export const valueTypes = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
] as const;

/** A type of metadata values, as GGUF numbers them. */
export type ValueType = (typeof valueTypes)[number];

/** Bytes of a value, or undefined where they vary. */
export const valueByteLengths: Readonly<Record<ValueType, number | undefined>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  string: undefined,
  array: undefined,
  u64: 8,
  i64: 8,
  f64: 8,
};

/** What the container needs to know of a ggml tensor type. Its arithmetic is in `types/`. */
export interface TensorType {
  readonly id: number;
  /** As users see it: "Q4_K". */
  readonly name: string;
  /** Weights per block. */
  readonly blockSize: number;
  readonly blockByteLength: number;
  /**
   * Fields of a block whose byte order is the file's: `[byteOffset, byteWidth, count]`. These are the fields that ggml
   * reads as one number, either declared so or read by memcpy (the high bits of Q5_0), so that a big-endian machine
   * decodes a big-endian block. The Python converter swaps the same fields in the types that it handles.
   */
  readonly fields: readonly BlockField[];
}

function type(
  id: number,
  name: string,
  blockSize: number,
  blockByteLength: number,
  fields: readonly BlockField[],
): TensorType {
  return { id, name, blockSize, blockByteLength, fields };
}

/**
 * Every tensor type of ggml that a file may hold: id, name, weights and bytes per block, multi-byte fields.
 * Sources: ggml, include/ggml.h (ids), src/ggml-common.h (blocks), src/ggml-quants.c (fields read by memcpy);
 * gguf-py, gguf/scripts/gguf_convert_endian.py.
 */
export const tensorTypes: readonly TensorType[] = [
  type(0, "F32", 1, 4, [[0, 4, 1]]),
  type(1, "F16", 1, 2, [[0, 2, 1]]),
  type(2, "Q4_0", 32, 18, [[0, 2, 1]]),
  type(3, "Q4_1", 32, 20, [[0, 2, 2]]),
  type(6, "Q5_0", 32, 22, [
    [0, 2, 1],
    [2, 4, 1],
  ]),
  type(7, "Q5_1", 32, 24, [
    [0, 2, 2],
    [4, 4, 1],
  ]),
  type(8, "Q8_0", 32, 34, [[0, 2, 1]]),
  type(9, "Q8_1", 32, 36, [[0, 2, 2]]),
  type(10, "Q2_K", 256, 84, [[80, 2, 2]]),
  type(11, "Q3_K", 256, 110, [[108, 2, 1]]),
  type(12, "Q4_K", 256, 144, [[0, 2, 2]]),
  type(13, "Q5_K", 256, 176, [[0, 2, 2]]),
  type(14, "Q6_K", 256, 210, [[208, 2, 1]]),
  type(15, "Q8_K", 256, 292, [
    [0, 4, 1],
    [260, 2, 16],
  ]),
  // of each 8 bytes from offset 2 on, 4 are view indices of one byte and 4 are one number of signs and scale
  type(16, "IQ2_XXS", 256, 66, [
    [0, 2, 1],
    [6, 4, 1],
    [14, 4, 1],
    [22, 4, 1],
    [30, 4, 1],
    [38, 4, 1],
    [46, 4, 1],
    [54, 4, 1],
    [62, 4, 1],
  ]),
  type(17, "IQ2_XS", 256, 74, [[0, 2, 33]]),
  type(18, "IQ3_XXS", 256, 98, [
    [0, 2, 1],
    [66, 4, 8],
  ]),
  type(19, "IQ1_S", 256, 50, [
    [0, 2, 1],
    [34, 2, 8],
  ]),
  type(20, "IQ4_NL", 32, 18, [[0, 2, 1]]),
  type(21, "IQ3_S", 256, 110, [[0, 2, 1]]),
  type(22, "IQ2_S", 256, 82, [[0, 2, 1]]),
  type(23, "IQ4_XS", 256, 136, [[0, 2, 2]]),
  type(24, "I8", 1, 1, []),
  type(25, "I16", 1, 2, [[0, 2, 1]]),
  type(26, "I32", 1, 4, [[0, 4, 1]]),
  type(27, "I64", 1, 8, [[0, 8, 1]]),
  type(28, "F64", 1, 8, [[0, 8, 1]]),
  type(29, "IQ1_M", 256, 56, [[48, 2, 4]]),
  type(30, "BF16", 1, 2, [[0, 2, 1]]),
  type(34, "TQ1_0", 256, 54, [[52, 2, 1]]),
  type(35, "TQ2_0", 256, 66, [[64, 2, 1]]),
  type(39, "MXFP4", 32, 17, []),
  type(40, "NVFP4", 64, 36, []),
  type(41, "Q1_0", 128, 18, [[0, 2, 1]]),
  type(42, "Q2_0", 64, 18, [[0, 2, 1]]),
];

/** Ids that ggml no longer uses, with their former names. bitnet.cpp stores its I2_S as 36. */
export const removedTypes: ReadonlyMap<number, string> = new Map([
  [4, "Q4_2"],
  [5, "Q4_3"],
  [31, "Q4_0_4_4"],
  [32, "Q4_0_4_8"],
  [33, "Q4_0_8_8"],
  [36, "IQ4_NL_4_4"],
  [37, "IQ4_NL_4_8"],
  [38, "IQ4_NL_8_8"],
]);

/** Types of the fork ik_llama.cpp (ggml/include/ggml.h): known so that the refusal can name them. */
export const forkTypes: ReadonlyMap<number, string> = new Map([
  [97, "Q8_0_X4"],
  [98, "Q8_1_X4"],
  [99, "Q8_2_X4"],
  [133, "Q6_0"],
  [134, "IQ1_BN"],
  [135, "IQ2_BN"],
  [136, "Q8_K64"],
  [137, "IQ2_K"],
  [138, "IQ3_K"],
  [139, "IQ4_K"],
  [140, "IQ5_K"],
  [141, "IQ6_K"],
  [142, "IQ2_TN"],
  [143, "IQ1_TN"],
  [144, "IQ4_KS"],
  [145, "IQ2_KS"],
  [146, "IQ4_KSS"],
  [147, "Q8_K16"],
  [148, "Q8_K32"],
  [149, "Q8_KR8"],
  [150, "Q8_K128"],
  [151, "Q8_KV"],
  [152, "IQ5_KS"],
  [153, "IQ2_KT"],
  [154, "IQ3_KT"],
  [155, "IQ4_KT"],
  [156, "IQ3_KS"],
  [157, "IQ2_KL"],
  [158, "IQ1_KT"],
  [202, "Q4_0_R8"],
  [206, "Q5_0_R4"],
  [208, "Q8_0_R8"],
  [210, "Q2_K_R4"],
  [211, "Q3_K_R4"],
  [212, "Q4_K_R4"],
  [213, "Q5_K_R4"],
  [214, "Q6_K_R4"],
  [216, "IQ2_XXS_R4"],
  [217, "IQ2_XS_R4"],
  [218, "IQ3_XXS_R4"],
  [219, "IQ1_S_R4"],
  [220, "IQ4_NL_R4"],
  [221, "IQ3_S_R4"],
  [222, "IQ2_S_R4"],
  [223, "IQ4_XS_R8"],
  [229, "IQ1_M_R4"],
  [230, "BF16_R16"],
  [233, "Q6_0_R4"],
  [335, "IQ2_BN_R4"],
  [337, "IQ2_K_R4"],
  [338, "IQ3_K_R4"],
  [339, "IQ4_K_R4"],
  [340, "IQ5_K_R4"],
  [344, "IQ4_KS_R4"],
  [352, "IQ5_KS_R4"],
  [353, "MXFP4_R8"],
  [397, "Q8_K_R16"],
  [398, "Q8_KV_R8"],
  [399, "Q8_K_R8"],
]);

const byId: ReadonlyMap<number, TensorType> = new Map(tensorTypes.map((entry) => [entry.id, entry]));
const byName: ReadonlyMap<string, TensorType> = new Map(tensorTypes.map((entry) => [entry.name, entry]));

/** A type of a fork, under a number that ggml itself uses for another. */
export interface TypeClash {
  readonly id: number;
  readonly fork: string;
  /** The fork's type. */
  readonly name: string;
}

const BITNET = "bitnet.cpp";
const TURBOQUANT = "llama-cpp-turboquant";

/**
 * Numbers that forks took. bitnet.cpp: its llama.cpp's ggml/include/ggml.h. llama-cpp-turboquant: its pull requests 80 and 257
 * (TURBO2_0 to TURBO4_0, TQ3_1S, TQ4_1S; ggml's Q2_0 is 47 there). bitnet.cpp's TL2 is 39, ggml's MXFP4: it is not listed, because
 * nearly every file with that number is MXFP4.
 */
const forkClashes: readonly TypeClash[] = [
  { id: 36, fork: BITNET, name: "I2_S" },
  { id: 37, fork: BITNET, name: "I8_S" },
  { id: 38, fork: BITNET, name: "TL1" },
  { id: 42, fork: TURBOQUANT, name: "TURBO2_0" },
  { id: 43, fork: TURBOQUANT, name: "TURBO3_0" },
  { id: 44, fork: TURBOQUANT, name: "TURBO4_0" },
  { id: 45, fork: TURBOQUANT, name: "TQ3_1S" },
  { id: 46, fork: TURBOQUANT, name: "TQ4_1S" },
  { id: 47, fork: TURBOQUANT, name: "Q2_0" },
];

/** What a fork stores under the number of one of ggml's types; undefined where none is known. */
export function typeClash(encoding: string): TypeClash | undefined {
  const id = byName.get(encoding)?.id;
  return forkClashes.find((clash) => clash.id === id);
}

/** " (TURBO2_0 in the fork llama-cpp-turboquant)". */
function inForks(id: number): string {
  const clash = forkClashes.find((one) => one.id === id);
  return clash === undefined ? "" : ` (${clash.name} in ${clash.fork}, a fork)`;
}

/** The type with this id, if ggml has one. */
export function knownTensorType(id: number): TensorType | undefined {
  return byId.get(id);
}

/** The type with this id. @throws UnsupportedError that names removed types and types of forks. */ export function tensorTypeById(
  id: number,
  place: ErrorPlace = {},
): TensorType {
  const found = byId.get(id);
  if (found !== undefined) return found;
  const removed = removedTypes.get(id);
  if (removed !== undefined) {
    throw new UnsupportedError(
      `Tensor type ${id} (${removed}) was removed from ggml and is not supported${inForks(id)}.`,
      {
        ...place,
        hint: "Quantize the original model again with a present type.",
      },
    );
  }
  const fork = forkTypes.get(id);
  if (fork !== undefined) {
    throw new UnsupportedError(
      `Tensor type ${id} (${fork}) belongs to ik_llama.cpp, a fork, and is not supported.`,
      { ...place, hint: "Use a file with the types of llama.cpp itself, or requantize with that fork." },
    );
  }
  throw new UnsupportedError(
    `Tensor type ${id} is unknown${inForks(id)}: ids known here go up to ${greatestId()}.`,
    {
      ...place,
      hint: "The file may come from a newer llama.cpp or from a fork.",
    },
  );
}

/** The type with this name. @throws UnsupportedError that names removed types and types of forks. */
export function tensorTypeByName(name: string, place: ErrorPlace = {}): TensorType {
  const found = byName.get(name);
  if (found !== undefined) return found;
  for (const [known, what] of [
    [removedTypes, "was removed from ggml"],
    [forkTypes, "belongs to ik_llama.cpp, a fork,"],
  ] as const) {
    if ([...known.values()].includes(name)) {
      throw new UnsupportedError(`Tensor type ${name} ${what} and is not supported.`, place);
    }
  }
  throw new UnsupportedError(`${quoted(name)} is not a ggml tensor type.`, {
    ...place,
    hint: `Known types: ${tensorTypes.map((entry) => entry.name).join(", ")}.`,
  });
}

function greatestId(): number {
  return largest(byId.keys()) ?? 0;
}

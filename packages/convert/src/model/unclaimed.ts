/** Everything that a source stores is either understood or named. Here is decided which of its tensors no reader understands. */
import { elementCount, type TensorInfo } from "@requant/core";
import { integerBuffer } from "@requant/models";
import type { SourceQuantization } from "./quantization-config.ts";

/** What is stored and not read, and why. Plain. */
export interface Unclaimed {
  /** What a message says, without its full stop. */
  readonly reason: string;
  readonly hint: string;
  /** The file that says so; the model where it is the tensors. */
  readonly path?: string | undefined;
  /** Names of the tensors and weights that it is about: they are not shown as numbers. */
  readonly tensors: readonly string[];
}

/** What opening a source found out about its tensors and its configuration. */
export interface SourceClaims {
  /** Parts that no reader understands, with the reason: no command may take them for weights. Mostly empty. */
  readonly unclaimed: readonly Unclaimed[];
  /** What the configuration files say about packed weights, as they are. */
  readonly quantization: SourceQuantization | undefined;
}

export const nothingUnclaimed: SourceClaims = {
  unclaimed: [],
  quantization: undefined,
};

export const COPY_HINT =
  "safetensors:copy keeps tensors and configuration as they are. For other targets start from the float model, if its publisher offers one.";

export const GGUF_COPY_HINT = "Copy the file as it is, or convert the original model again.";

export interface UnclaimedTensors {
  /** Packed weights first, then what belongs to them; in file order. */
  readonly packed: readonly TensorInfo[];
  /** Integers that nothing knows and that cannot be weights: named, and left as they are. */
  readonly unknown: readonly TensorInfo[];
  /** Matrices of 8-bit floats that are their own values. */
  readonly cast: readonly TensorInfo[];
}

/** Numbers that stand for themselves. */
const PLAIN: ReadonlySet<string> = new Set(["F64", "F32", "F16", "BF16"]);
const FLOAT8: ReadonlySet<string> = new Set(["F8_E4M3", "F8_E5M2"]);
/** Longer lists of integers than this are taken for packed weights. */
const MOST_INTEGERS = 4096;

export function isPlainFloat(encoding: string): boolean {
  return PLAIN.has(encoding);
}

/**
 * Sorts the tensors of safetensors that no linear format and no family took.
 *
 * The rule: a tensor of two or more dimensions that is neither a plain float nor a mask (BOOL) nor a buffer known by
 * name is a packed weight. The tensors right beside it in its module (but its bias), and those whose names go on from
 * its own, belong to it: scales, zero points, tables. Integers of one dimension or none belong to packed weights when
 * they stand beside one, or beside a linear weight whose format does not know them, or when there are more than 4096 of
 * them; otherwise they are only named. Matrices of 8-bit floats are their own values where no configuration says
 * otherwise and none of them has a scale: such a checkpoint was cast, not quantized.
 */
export function unclaimedTensors(
  rest: readonly TensorInfo[],
  linearModules: ReadonlySet<string>,
  hasConfig: boolean,
): UnclaimedTensors {
  const doubtful = rest.filter(
    ({ name, encoding, shape }) =>
      !isPlainFloat(encoding) &&
      encoding !== "BOOL" &&
      integerBuffer(name) === undefined &&
      elementCount(shape) > 0,
  );
  const matrices = doubtful.filter(({ shape }) => shape.length >= 2);
  const owners = ownersOf(matrices);
  const beside = rest.filter((tensor) => belongsTo(tensor, owners));
  const isCast =
    !hasConfig &&
    matrices.length > 0 &&
    beside.length === 0 &&
    matrices.every(({ encoding }) => FLOAT8.has(encoding));
  if (isCast) return { packed: [], unknown: unknownOf(doubtful, matrices), cast: matrices };
  const known = new Set<TensorInfo>([...matrices, ...beside]);
  const others = doubtful.filter((tensor) => !known.has(tensor));
  const packed = others.filter(
    ({ name, shape }) => linearModules.has(parentOf(name)) || elementCount(shape) > MOST_INTEGERS,
  );
  // 8-bit floats may be codes, and the scales of codes
  const codes = matrices.filter(({ encoding }) => !FLOAT8.has(encoding));
  const floats = matrices.filter(({ encoding }) => FLOAT8.has(encoding));
  return {
    packed: [...codes, ...floats, ...packed, ...beside],
    unknown: unknownOf(others, packed),
    cast: [],
  };
}

function unknownOf(tensors: readonly TensorInfo[], without: readonly TensorInfo[]): TensorInfo[] {
  const left = new Set(without);
  return tensors.filter((tensor) => !left.has(tensor) && !FLOAT8.has(tensor.encoding));
}

function parentOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf(".")));
}

interface Owners {
  readonly names: ReadonlySet<string>;
  readonly modules: ReadonlySet<string>;
}

function ownersOf(matrices: readonly TensorInfo[]): Owners {
  const names = new Set(matrices.map(({ name }) => name));
  return { names, modules: new Set(matrices.map(({ name }) => parentOf(name))) };
}

function belongsTo({ name }: TensorInfo, { names, modules }: Owners): boolean {
  if (names.has(name)) return false;
  for (let dot = name.lastIndexOf("."); dot > 0; dot = name.lastIndexOf(".", dot - 1)) {
    if (names.has(name.slice(0, dot))) return true;
  }
  if (!modules.has(parentOf(name))) return false;
  if (name === "bias" || name.endsWith(".bias")) return false;
  return !(name.endsWith("_bias") && names.has(name.slice(0, -"_bias".length)));
}

const GGUF_INTEGERS: ReadonlySet<string> = new Set(["I8", "I16", "I32", "I64"]);

/**
 * The same for GGUF, whose packed types say themselves how they are read: integers there are buffers. Only matrices of
 * more than 4096 integers that no name explains are taken for packed weights.
 */
export function unclaimedGgufTensors(tensors: readonly TensorInfo[]): UnclaimedTensors {
  const integers = tensors.filter(
    ({ name, encoding }) => GGUF_INTEGERS.has(encoding) && integerBuffer(name) === undefined,
  );
  const packed = integers.filter(({ shape }) => shape.length >= 2 && elementCount(shape) > MOST_INTEGERS);
  return { packed, unknown: unknownOf(integers, packed), cast: [] };
}

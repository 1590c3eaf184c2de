import { type ErrorPlace, FormatError } from "@requant/core";
import { findPart, type LinearLayout, type LinearPart } from "@requant/core/format";
import { FLOAT8_ENCODINGS, type Float8Encoding } from "@requant/core/numeric";

/** FP8 weights: K columns of W, N rows, blocks of b × c
 *   weight  F8_E4M3, F8_E5M2                  [N, K]              codes
 *   scale   F32, BF16, F16, F8_E8M0, U8       [⌈N / b⌉, ⌈K / c⌉]  one for each block; [N, 1] or [N] for each row;
 *                                             [1] or [] for all
 * value = code × scale. "U8" holds E8M0 codes: 2^(code − 127).
 * The scale's name depends on the tool: weight_scale_inv (DeepSeek, transformers), scale (DeepSeek's own code), weight_scale
 * (fbgemm, AutoFP8, ModelOpt), qscale_weight (Mistral). All of them multiply.
 * E5M2 codes are written with a scale for each weight or row by image tools (ComfyUI; stable-diffusion.cpp reads them, pull
 * request 1913), whose text encoders are language models.
 * Sources: transformers, integrations/finegrained_fp8.py; DeepSeek-V3, inference/kernel.py; vLLM,
 * model_executor/layers/quantization/fp8.py.
 */
export interface Float8Layout extends LinearLayout {
  /** Rows and columns that share a scale; the last block of a side may be short. */
  readonly blockRows: number;
  readonly blockColumns: number;
  readonly codes: Float8Encoding;
  readonly scale: Float8Scale;
  readonly scaleName: Float8ScaleName;
  /** Dimensions of the scales' tensor: 0 for a single number, 1 for a list of one for all or one for each row. */
  readonly scaleRank: 0 | 1 | 2;
}

/** True for the encodings of 8-bit floats that weights have. */
export function isFloat8(encoding: string): encoding is Float8Encoding {
  return FLOAT8_ENCODINGS.some((one) => one === encoding);
}

/** Encodings of scales. */
export const SCALE_ENCODINGS = ["F32", "BF16", "F16", "F8_E8M0", "U8"] as const;
/**
 * How scales are stored.
 * @useDeclaredType
 */
export type Float8Scale = (typeof SCALE_ENCODINGS)[number];

/** Names of scales, the most frequent first. */
export const SCALE_NAMES = ["weight_scale_inv", "weight_scale", "scale", "qscale_weight"] as const;
/**
 * What the scale's tensor is called.
 * @useDeclaredType
 */
export type Float8ScaleName = (typeof SCALE_NAMES)[number];

/** Names of the scales that activations are quantized with. They change no weight. */
export const ACTIVATION_SCALES: readonly string[] = [
  "input_scale",
  "activation_scale",
  "qscale_act",
  "input_scale_ub",
];

/** What the tensors leave open. */
export interface Float8Claims {
  /** Rows and columns of a block. */
  readonly blockSize?: readonly [rows: number, columns: number] | undefined;
}

/** The scale among the parts; undefined where there is none. */
export function scaleNameOf(parts: readonly Pick<LinearPart, "suffix">[]): Float8ScaleName | undefined {
  return SCALE_NAMES.find((name) => parts.some(({ suffix }) => suffix === name));
}

/** The layout from the parts. @throws FormatError where they contradict each other */
export function readLayout(
  parts: readonly LinearPart[],
  claims: Float8Claims,
  place: ErrorPlace = {},
): Float8Layout {
  const weight = findPart(parts, "weight", place);
  const names = SCALE_NAMES.filter((name) => parts.some(({ suffix }) => suffix === name));
  const [scaleName = "weight_scale_inv", other] = names;
  if (other !== undefined) {
    throw new FormatError(`The weight has two scales, ${scaleName} and ${other}; one was expected.`, {
      ...place,
      hint: "Take the weights from the original model.",
    });
  }
  const stored = findPart(parts, scaleName, place);
  const [rows = 0, columns = 0] = weight.shape;
  const { encoding } = weight;
  if (!isFloat8(encoding) || weight.shape.length !== 2 || !isSize(rows) || !isSize(columns)) {
    throw new FormatError(
      `The part weight is ${described(weight)}; ${FLOAT8_ENCODINGS.join(" or ")} [rows, columns] was expected.`,
      place,
    );
  }
  const scale = SCALE_ENCODINGS.find((encoding) => encoding === stored.encoding);
  const block = scale === undefined ? undefined : blockOf(stored, [rows, columns], claims);
  if (scale === undefined || block === undefined) {
    throw new FormatError(
      `The part ${scaleName} is ${described(stored)} for a weight of [${rows}, ${columns}]; one number, one for each row or one for each block was expected, in ${SCALE_ENCODINGS.join(", ")}.`,
      place,
    );
  }
  return { rows, columns, ...block, codes: encoding, scale, scaleName };
}

/** The parts that a layout stores. */
export function partsOf(layout: Float8Layout): LinearPart[] {
  const { rows, columns, codes, scale, scaleName, scaleRank } = layout;
  const [blocksDown, blocksAcross] = blockCounts(layout);
  const shapes = [[], [blocksDown], [blocksDown, blocksAcross]] as const;
  return [
    { suffix: "weight", encoding: codes, shape: [rows, columns] },
    { suffix: scaleName, encoding: scale, shape: shapes[scaleRank] },
  ];
}

/** Blocks below each other and side by side. */
export function blockCounts({
  rows,
  columns,
  blockRows,
  blockColumns,
}: Float8Layout): readonly [down: number, across: number] {
  return [Math.ceil(rows / blockRows), Math.ceil(columns / blockColumns)];
}

/** "block", "channel" or "tensor": what shares a scale. */
export function strategyOf(layout: Float8Layout): "block" | "channel" | "tensor" {
  const { columns, blockRows, blockColumns, scaleRank } = layout;
  if (blockColumns === columns && blockRows === 1) return "channel";
  return scaleRank === 2 ? "block" : "tensor";
}

type Block = Pick<Float8Layout, "blockRows" | "blockColumns" | "scaleRank">;

/** Undefined where the scales are not as many as any blocks. */
function blockOf(
  { shape }: LinearPart,
  [rows, columns]: readonly [number, number],
  { blockSize = [0, 0] }: Float8Claims,
): Block | undefined {
  const [down = 1, across = 1] = shape;
  if (shape.length === 2) {
    const blockRows = sideOf(rows, down, blockSize[0]);
    const blockColumns = sideOf(columns, across, blockSize[1]);
    if (blockRows === undefined || blockColumns === undefined) return undefined;
    return { blockRows, blockColumns, scaleRank: 2 };
  }
  if (shape.length > 2 || (down !== 1 && down !== rows)) return undefined;
  return { blockRows: down === 1 ? rows : 1, blockColumns: columns, scaleRank: shape.length === 0 ? 0 : 1 };
}

/**
 * Length of the blocks of a side: the claimed one where it gives this number of blocks, else all, else the smallest power
 * of two that does.
 */
function sideOf(length: number, count: number, claimed: number): number | undefined {
  if (!isSize(count) || count > length) return undefined;
  if (claimed > 0 && Math.ceil(length / claimed) === count) return claimed;
  if (count === 1) return length;
  for (let side = 1; side < length; side *= 2) if (Math.ceil(length / side) === count) return side;
  return undefined;
}

function isSize(size: number): boolean {
  return Number.isSafeInteger(size) && size > 0;
}

function described({ encoding, shape }: LinearPart): string {
  return `${encoding} [${shape.join(", ")}]`;
}

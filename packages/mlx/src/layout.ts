/** How MLX stores a weight: its modes, and what the shapes of its parts say. */
import { type ErrorPlace, FormatError, UnsupportedError } from "@requant/core";
import { findPart, type LinearLayout, type LinearPart, type ScaleEncoding } from "@requant/core/format";

/** How codes become values: "affine" is scale × code + bias, the others multiply a level by a scale of few bits. */
export type MlxMode = "affine" | "mxfp4" | "mxfp8" | "nvfp4";

/**
 * Where a weight is, K in features, N out features, b bits, groups of g columns:
 *   weight        U32            [N, K × b / 32]  a row's codes as one bit stream, low bits first
 *   scales        F16, BF16, F32 [N, K / g]       affine; U8 in the other modes: E8M0, or E4M3 (nvfp4)
 *   biases        as scales      [N, K / g]       affine only
 *   global_scale  F32            [1], or [E]      nvfp4, seldom
 * A stack of E experts has [E, N, …] in place of [N, …].
 */
export interface MlxLayout extends LinearLayout {
  readonly mode: MlxMode;
  readonly bits: number;
  readonly groupSize: number;
  /** The encoding of scales and biases; "U8" in all modes but affine. */
  readonly scale: ScaleEncoding | "U8";
  /** Matrices in the stack; absent where the weight is one matrix. */
  readonly experts?: number | undefined;
  /** Of floats that are to get new codes: the type in which MLX computes scales of 8 bits. F32 where absent. */
  readonly floats?: ScaleEncoding | undefined;
  /** "tensor": one global scale; "experts": one for each matrix of the stack. */
  readonly globalScale?: "tensor" | "experts" | undefined;
}

/** What the configuration says about one module, as far as it does. */
export interface MlxClaims {
  readonly bits?: number | undefined;
  readonly groupSize?: number | undefined;
  readonly mode?: string | undefined;
}

/** A mode with scales of 8 bits: its width and group size are fixed (mlx, mlx/primitives.cpp, quantization modes). */
export interface FloatMode {
  readonly bits: number;
  readonly groupSize: number;
  readonly table: "E2M1" | "E4M3";
  readonly scaleType: "E8M0" | "E4M3";
}

export const floatModes: Readonly<Record<Exclude<MlxMode, "affine">, FloatMode>> = {
  mxfp4: { bits: 4, groupSize: 32, table: "E2M1", scaleType: "E8M0" },
  mxfp8: { bits: 8, groupSize: 32, table: "E4M3", scaleType: "E8M0" },
  nvfp4: { bits: 4, groupSize: 16, table: "E2M1", scaleType: "E4M3" },
};

/** Widths and group sizes of mode affine. Groups of 16 are in no file that mlx-lm writes, and mlx reads none. */
export const affineBits: readonly number[] = [1, 2, 3, 4, 5, 6, 8];
export const affineGroupSizes: readonly number[] = [32, 64, 128];

/** The mode's own facts; undefined for "affine". */
export function floatModeOf(mode: MlxMode): FloatMode | undefined {
  return mode === "affine" ? undefined : floatModes[mode];
}

/** Groups of a row. */
export function groupCountOf({ columns, groupSize }: Pick<MlxLayout, "columns" | "groupSize">): number {
  return columns / groupSize;
}

/** The layout that the parts show; claims decide where widths and groups of different sizes give the same shapes. */
export function readMlxLayout(
  parts: readonly LinearPart[],
  claims: MlxClaims,
  place: ErrorPlace = {},
): MlxLayout {
  const weight = findPart(parts, "weight", place);
  const scales = findPart(parts, "scales", place);
  const [stack, rows, words] = matrixOf(weight, place);
  const [scaleStack, scaleRows, groupCount] = matrixOf(scales, place);
  if (weight.encoding !== "U32") {
    throw new FormatError(`The part weight is ${weight.encoding}; U32 was expected.`, place);
  }
  if (stack !== scaleStack || rows !== scaleRows) {
    throw new FormatError(
      `The part weight is [${weight.shape.join(", ")}] and scales is [${scales.shape.join(", ")}]; both have the same rows in MLX.`,
      place,
    );
  }
  const scale = scaleEncodingOf(scales, place);
  const width = widthOf(scale, words, groupCount, claims, place);
  const biases = parts.find(({ suffix }) => suffix === "biases");
  if (width.mode === "affine") checkBiases(biases, scales, place);
  else if (biases !== undefined) {
    throw new FormatError(`The part biases stands beside scales of 8 bits, which have none in MLX.`, place);
  }
  const total = (stack ?? 1) * rows;
  const columns = groupCount * width.groupSize;
  if (!Number.isSafeInteger(total * columns)) {
    throw new FormatError(`A weight of [${total}, ${columns}] is too large.`, place);
  }
  const globalScale = globalScaleOf(parts, width.mode, stack, place);
  return {
    rows: total,
    columns,
    ...width,
    scale,
    ...(stack === undefined ? {} : { experts: stack }),
    ...(globalScale === undefined ? {} : { globalScale }),
  };
}

function matrixOf(
  { suffix, shape }: LinearPart,
  place: ErrorPlace,
): [stack: number | undefined, rows: number, columns: number] {
  const sizesAreCounts = shape.every((size) => Number.isSafeInteger(size) && size > 0);
  const [first = 0, second = 0, third = 0] = shape;
  if (sizesAreCounts && shape.length === 2) return [undefined, first, second];
  if (sizesAreCounts && shape.length === 3) return [first, second, third];
  throw new FormatError(
    `The part ${suffix} is [${shape.join(", ")}]; a matrix or a stack of matrices was expected.`,
    place,
  );
}

function scaleEncodingOf({ encoding }: LinearPart, place: ErrorPlace): MlxLayout["scale"] {
  if (encoding === "U8" || encoding === "F16" || encoding === "BF16" || encoding === "F32") return encoding;
  throw new FormatError(`The part scales is ${encoding}; U8, F16, BF16 or F32 was expected.`, place);
}

type Width = Pick<MlxLayout, "mode" | "bits" | "groupSize">;

/** Words and groups of a row give the product of bits and group size, and no more. */
function widthOf(
  scale: MlxLayout["scale"],
  words: number,
  groupCount: number,
  claims: MlxClaims,
  place: ErrorPlace,
): Width {
  const product = (32 * words) / groupCount;
  const fitting = widthsWith(scale === "U8", claims).filter(
    ({ bits, groupSize }) => bits * groupSize === product,
  );
  const agreeing = fitting.filter(
    ({ bits, groupSize, mode }) =>
      mode !== "affine" || (bits === (claims.bits ?? bits) && groupSize === (claims.groupSize ?? groupSize)),
  );
  const [only] = agreeing;
  if (only !== undefined && agreeing.length === 1) return only;
  const claimed = claimsText(claims);
  const possible = fitting.map(({ bits, groupSize }) => `${bits} bits in groups of ${groupSize}`);
  // without claims the file is whole, and only its meaning is open
  const Refusal = claimed === undefined && possible.length > 0 ? UnsupportedError : FormatError;
  throw new Refusal(
    `A row has ${words} words and ${groupCount} scales${scale === "U8" ? " of 8 bits" : ""}, ${
      claimed === undefined ? "and the configuration says nothing" : `and the configuration says ${claimed}`
    }; ${possible.length === 0 ? "no width of MLX has such rows" : `such rows have ${possible.join(", or ")}`}.`,
    {
      ...place,
      hint: "The configuration must give bits and group_size, for the whole model or for this module, under quantization in config.json. Take it from the original model.",
    },
  );
}

function widthsWith(isFloat: boolean, claims: MlxClaims): readonly Width[] {
  if (isFloat) {
    return Object.entries(floatModes).flatMap(([mode, { bits, groupSize }]): Width[] =>
      isMode(mode) ? [{ mode, bits, groupSize }] : [],
    );
  }
  // groups of 16 only where the configuration says so
  const sizes = claims.groupSize === 16 ? [16, ...affineGroupSizes] : affineGroupSizes;
  return affineBits.flatMap((bits) => sizes.map((groupSize): Width => ({ mode: "affine", bits, groupSize })));
}

function isMode(mode: string): mode is Exclude<MlxMode, "affine"> {
  return Object.hasOwn(floatModes, mode);
}

function claimsText({ bits, groupSize }: MlxClaims): string | undefined {
  const words = [
    ...(bits === undefined ? [] : [`${bits} bits`]),
    ...(groupSize === undefined ? [] : [`groups of ${groupSize}`]),
  ];
  return words.length === 0 ? undefined : words.join(" and ");
}

function checkBiases(biases: LinearPart | undefined, scales: LinearPart, place: ErrorPlace): void {
  if (biases === undefined) {
    throw new FormatError(
      `The part biases is missing: scales of ${scales.encoding} stand beside biases in MLX.`,
      place,
    );
  }
  if (biases.encoding !== scales.encoding || biases.shape.join() !== scales.shape.join()) {
    throw new FormatError(
      `The part biases is ${biases.encoding} [${biases.shape.join(", ")}]; ${scales.encoding} [${scales.shape.join(", ")}] was expected, as scales.`,
      place,
    );
  }
}

function globalScaleOf(
  parts: readonly LinearPart[],
  mode: MlxMode,
  stack: number | undefined,
  place: ErrorPlace,
): MlxLayout["globalScale"] {
  const part = parts.find(({ suffix }) => suffix === "global_scale");
  if (part === undefined) return undefined;
  const { encoding, shape } = part;
  const count = shape.reduce((product, size) => product * size, 1);
  if (mode === "nvfp4" && encoding === "F32" && shape.length <= 1) {
    if (count === 1) return "tensor";
    if (count === stack) return "experts";
  }
  throw new FormatError(
    `The part global_scale is ${encoding} [${shape.join(", ")}] in mode ${mode}; F32 with one number${
      stack === undefined ? "" : `, or with ${stack},`
    } in mode nvfp4 was expected.`,
    place,
  );
}

/** The parts that a layout stores. */
export function partsOf(layout: MlxLayout): LinearPart[] {
  const { rows, columns, bits, scale, experts, globalScale } = layout;
  const lead = experts === undefined ? [rows] : [experts, rows / experts];
  const groups = [...lead, groupCountOf(layout)];
  const all: LinearPart[] = [
    { suffix: "weight", encoding: "U32", shape: [...lead, (columns * bits) / 32] },
    { suffix: "scales", encoding: scale, shape: groups },
  ];
  if (layout.mode === "affine") all.push({ suffix: "biases", encoding: scale, shape: groups });
  if (globalScale !== undefined) {
    all.push({
      suffix: "global_scale",
      encoding: "F32",
      shape: [globalScale === "tensor" ? 1 : (experts ?? 1)],
    });
  }
  return all;
}

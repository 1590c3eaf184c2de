/** Floats of four bits: formats nvfp4-pack-quantized and mxfp4-pack-quantized. */
import { type ErrorPlace, FormatError } from "@requant/core";
import {
  findPart,
  type LinearCodec,
  type LinearLayout,
  type LinearPart,
  type NibbleWeight,
  nibbleLevelWeight,
  type PartBytes,
  partBytes,
  type RowWeight,
  readFloats,
  type TensorScale,
  writeFloat,
  writeWords,
} from "@requant/core/format";
import { E2M1_VALUES, E4M3_VALUES, e8m0ToFloat } from "@requant/core/numeric";
import {
  dividesAs,
  e2m1Facts,
  type Factor,
  type LevelFacts,
  type LevelTable,
  sequentialGroups,
  type ViewRequirement,
} from "@requant/core/view";
import { matrixShape } from "./parts.ts";

/** compressed-tensors, format nvfp4-pack-quantized: K columns of W, N rows
 *   weight_packed        U8       [N, K ÷ 2]   E2M1, even columns in the low bits
 *   weight_scale         F8_E4M3  [N, K ÷ 16]
 *   weight_global_scale  F32      [1]          what the scales are divided by
 * value = code × (scale ÷ global scale).
 * mxfp4-pack-quantized:
 *   weight_packed        U8       [N, K ÷ 2]
 *   weight_scale         U8       [N, K ÷ 32]  E8M0
 * value = code × scale.
 * Source: compressed-tensors, compressors/nvfp4/base.py and compressors/mxfp4/base.py.
 */
export interface Float4Layout extends LinearLayout {
  readonly kind: "float4";
  readonly groupSize: number;
  readonly scale: "E4M3" | "E8M0";
  /** The shape of weight_global_scale: [1] or []. Absent: there is none. */
  readonly global?: "one" | "scalar" | undefined;
}

export const E2M1_TABLE: LevelTable = { kind: "table", name: "E2M1", levels: E2M1_VALUES };

/** A codec of four-bit floats, with what a plan asks of their scales. */
export interface Float4Codec extends LinearCodec<Float4Layout, unknown, RowWeight> {
  /** Facts, or why there is no view. */
  examine(layout: Float4Layout, bytes: PartBytes, place?: ErrorPlace): LevelFacts;
  /** `scales[row × groups + group]`, divided by the global scale where there is one. */
  scales(layout: Float4Layout, bytes: PartBytes, place?: ErrorPlace): Float32Array;
  /** The reciprocal of the global scale, and facts without it; undefined where there is none, or it is 1. */
  tensorScale(layout: Float4Layout, bytes: PartBytes, place?: ErrorPlace): TensorScale | undefined;
}

/** The encoding of weight_scale. */
const SCALE_ENCODINGS: Readonly<Record<Float4Layout["scale"], string>> = { E4M3: "F8_E4M3", E8M0: "U8" };

/** Weights in the layouts nvfp4-pack-quantized and mxfp4-pack-quantized. */
export const float4Codec: Float4Codec = {
  name: "compressed-tensors",
  suffixes: ["weight_packed", "weight_scale", "weight_global_scale"],
  requiredSuffixes: ["weight_packed", "weight_scale"],

  readLayout(parts, _claims, place = {}) {
    const [rows, width] = matrixShape(findPart(parts, "weight_packed", place), "U8", place);
    const scale = findPart(parts, "weight_scale", place);
    const [scaleRows, groups] = matrixShape(scale, undefined, place);
    const columns = 2 * width;
    const groupSize = columns / groups;
    const isGrouped = Number.isSafeInteger(groupSize) && groupSize >= 2 && groupSize % 2 === 0;
    if (scaleRows !== rows || !isGrouped) {
      throw new FormatError(
        `The part weight_scale is [${scaleRows}, ${groups}] and weight_packed is [${rows}, ${width}]; [${rows}, groups] was expected, with groups that divide ${columns} columns.`,
        place,
      );
    }
    const size = { kind: "float4", rows, columns, groupSize } as const;
    // only NVFP4 has it
    if (scaleTypeOf(scale, place) === "E8M0") return { ...size, scale: "E8M0" };
    const global = globalShape(findPart(parts, "weight_global_scale", place), place);
    return { ...size, scale: "E4M3", global };
  },

  parts({ rows, columns, groupSize, scale, global }) {
    return [
      { suffix: "weight_packed", encoding: "U8", shape: [rows, columns / 2] },
      {
        suffix: "weight_scale",
        encoding: SCALE_ENCODINGS[scale],
        shape: [rows, Math.ceil(columns / groupSize)],
      },
      ...(global === undefined
        ? []
        : [{ suffix: "weight_global_scale", encoding: "F32", shape: global === "one" ? [1] : [] }]),
    ];
  },

  parameterSuffixes: ({ global }) => [
    "weight_scale",
    ...(global === undefined ? [] : ["weight_global_scale"]),
  ],

  examine(layout, bytes, place) {
    const isPlain = globalOf(layout, bytes, place) === 1;
    const numbers = isPlain ? ownNumbers(layout, bytes, place) : undefined;
    return factsOf(layout, scalesOf(layout, bytes, place), numbers);
  },

  scales: (layout, bytes, place) => scalesOf(layout, bytes, place),

  measure: (layout, bytes, place) => float4Codec.examine(layout, bytes, place).facts,

  open(layout, bytes, place) {
    const { rows, columns, groupSize } = layout;
    const packed = partOf(layout, "weight_packed", bytes, place);
    const opened = (scales: Float32Array): NibbleWeight =>
      nibbleLevelWeight({ rows, columns, levels: E2M1_VALUES, groupSize, scales }, packed);
    const weight = opened(scalesOf(layout, bytes, place));
    const apart = float4Codec.tensorScale(layout, bytes, place);
    if (apart === undefined) return weight;
    const toUnscaled = opened(scalesOf(layout, bytes, place, 1)).toLevels;
    if (apart.misfit !== undefined) return { ...weight, toUnscaled };
    const factor: Factor = { values: Float32Array.of(apart.scale), span: { kind: "tensor" } };
    return {
      ...weight,
      toUnscaled,
      toLevels(rowStart, rowEnd) {
        const view = toUnscaled(rowStart, rowEnd);
        return { ...view, factors: [...view.factors, factor] };
      },
    };
  },

  tensorScale(layout, bytes, place) {
    const global = globalOf(layout, bytes, place);
    if (global === 1 || !Number.isFinite(global) || global === 0) return undefined;
    const scale = Math.fround(1 / global);
    const { facts } = factsOf(layout, scalesOf(layout, bytes, place, 1), ownNumbers(layout, bytes, place));
    if (facts === undefined || !Number.isFinite(scale)) return undefined;
    const stored = partOf(layout, "weight_scale", bytes, place);
    const odd = stored.find((code) => !dividesAs(code, global, scale));
    if (odd === undefined) return { scale, facts };
    const reason = `the scale ${E4M3_VALUES[odd]} divided by the global scale ${global} is another f32 number than times ${scale}, its reciprocal`;
    return { scale, facts, misfit: { reason, hint: "F32 holds every value." } };
  },
};

function factsOf(
  { rows, columns, groupSize }: Float4Layout,
  scales: Float32Array,
  numbers: Float4Layout["scale"] | undefined,
): LevelFacts {
  const groupCount = columns / groupSize;
  const groupOfColumn = sequentialGroups(columns, groupSize);
  return e2m1Facts({ rows, columns, groupCount, groupOfColumn, scales }, numbers);
}

/** What a view must be for the layout to hold it exactly. */
export function float4Requirement({ groupSize, scale }: Float4Layout): ViewRequirement {
  return {
    name: scale === "E8M0" ? "compressed-tensors' mxfp4" : "compressed-tensors' nvfp4",
    blockSize: groupSize,
    shortLastBlock: false,
    codes: E2M1_TABLE,
    scale,
    ...(scale === "E4M3" ? { tensorScale: "divided" } : {}),
    roundsToHalf: false,
  };
}

function scaleTypeOf(part: LinearPart, place: ErrorPlace): Float4Layout["scale"] {
  if (part.encoding === "F8_E4M3") return "E4M3";
  if (part.encoding === "U8") return "E8M0";
  throw new FormatError(
    `The part ${part.suffix} is ${part.encoding}; F8_E4M3 (NVFP4) or U8 (MXFP4) was expected.`,
    place,
  );
}

function globalShape({ encoding, shape, suffix }: LinearPart, place: ErrorPlace): "one" | "scalar" {
  const isOne = shape.length === 0 || (shape.length === 1 && shape[0] === 1);
  if (encoding === "F32" && isOne) return shape.length === 0 ? "scalar" : "one";
  throw new FormatError(
    `The part ${suffix} is ${encoding} [${shape.join(", ")}]; F32 [1] was expected.`,
    place,
  );
}

/** `scales[row × groups + group]`; in the library's own order, one division and one rounding to f32. */
function scalesOf(
  layout: Float4Layout,
  bytes: PartBytes,
  place?: ErrorPlace,
  divisor: number = globalOf(layout, bytes, place),
): Float32Array {
  const stored = partOf(layout, "weight_scale", bytes, place);
  // a table of all codes, since there are few
  const byCode = Float32Array.from({ length: 256 }, (_, code) => {
    const scale = layout.scale === "E8M0" ? e8m0ToFloat(code) : E4M3_VALUES[code]!;
    return scale / divisor;
  });
  const scales = new Float32Array(stored.length);
  for (let i = 0; i < scales.length; i++) scales[i] = byCode[stored[i]!]!;
  return scales;
}

function globalOf(layout: Float4Layout, bytes: PartBytes, place?: ErrorPlace): number {
  if (layout.global === undefined) return 1;
  return readFloats(partOf(layout, "weight_global_scale", bytes, place), "F32")[0]!;
}

/** Set where no stored scale has a sign. */
function ownNumbers(
  layout: Float4Layout,
  bytes: PartBytes,
  place?: ErrorPlace,
): Float4Layout["scale"] | undefined {
  const isUnsigned = partOf(layout, "weight_scale", bytes, place).every((byte) => byte < 0x80);
  return layout.scale === "E8M0" || isUnsigned ? layout.scale : undefined;
}

export function partOf(
  layout: Float4Layout,
  suffix: string,
  bytes: PartBytes,
  place?: ErrorPlace,
): Uint8Array {
  return partBytes(bytes, findPart(float4Codec.parts(layout), suffix, place), place);
}

/** A global scale, where the layout has one. */
export function writeGlobal(layout: Float4Layout, global: number, bytes: PartBytes): void {
  if (layout.global === undefined) return;
  writeFloat(writeWords(partOf(layout, "weight_global_scale", bytes), 32), 0, "F32", global);
}

/**
 * NVFP4 as ModelOpt stores it: one E4M3 scale for 16 columns of E2M1 codes, and one f32 for the whole weight.
 *
 *   weight          U8       [N, K / 2]    the low nibble is the even column
 *   weight_scale    F8_E4M3  [N, K / 16]
 *   weight_scale_2  F32      [] or [1]
 *   input_scale     F32      [] or [1]     of the activations; in no way part of the weight
 *
 * value = E2M1(code) × (weight_scale × weight_scale_2), both products rounded to f32.
 * Source: NVIDIA Model Optimizer, quantization/qtensor/nvfp4_tensor.py. Its table has +0 for code 8, where this has −0.
 */
import { type ErrorPlace, FormatError, UnsupportedError } from "@requant/core";
import {
  findPart,
  type LinearCodec,
  type LinearLayout,
  type LinearPart,
  type PartBytes,
  partBytes,
  type RowWeight,
  readFloats,
  type TensorScale,
} from "@requant/core/format";
import { E4M3_VALUES } from "@requant/core/numeric";
import {
  byteMatrix,
  type FloatBlockParameters,
  type MeasuredBlocks,
  measureFloatBlocks,
  openFloatBlocks,
} from "./float-blocks.ts";

/** How the bytes of a weight are stored. Plain JSON. */
export interface Nvfp4Layout extends LinearLayout {
  /** Shape of weight_scale_2: a number alone, or a list of one. */
  readonly scaleShape: "scalar" | "list";
  /** The same of input_scale; "none" where there is none. */
  readonly inputScale: "scalar" | "list" | "none";
}

/** Columns that share a scale. */
export const NVFP4_BLOCK_SIZE = 16;

/** Parts that stand for a computation besides the weight, by which its values would change. */
const TRANSFORMS: readonly string[] = ["pre_quant_scale", "svdquant_lora_a", "svdquant_lora_b"];

const SUFFIXES: readonly string[] = /* @__PURE__ */ [
  "weight",
  "weight_scale",
  "weight_scale_2",
  "input_scale",
].concat(TRANSFORMS);

const SHAPES = { scalar: [], list: [1] } as const;

/** NVFP4 weights of ModelOpt. */
export const nvfp4Codec: LinearCodec<Nvfp4Layout, Record<string, never>, RowWeight> = {
  name: "NVFP4",
  suffixes: SUFFIXES,
  requiredSuffixes: ["weight", "weight_scale", "weight_scale_2"],

  readLayout(parts, _claims, place = {}) {
    const transform = parts.find(({ suffix }) => TRANSFORMS.includes(suffix));
    if (transform !== undefined) {
      throw new UnsupportedError(
        `The layers have a part ${transform.suffix}: a runtime changes their inputs or adds to their outputs, so the stored weights alone are not the model's.`,
        place,
      );
    }
    const codes = byteMatrix(findPart(parts, "weight", place), "U8", 2, place);
    const scales = byteMatrix(findPart(parts, "weight_scale", place), "F8_E4M3", 2, place);
    const [rows = 0, blocks = 0] = scales;
    const columns = blocks * NVFP4_BLOCK_SIZE;
    if (codes[0] !== rows || codes[1] !== columns / 2) {
      throw new FormatError(
        `The part weight is [${codes.join(", ")}] and weight_scale is [${scales.join(", ")}]; [${rows}, ${columns / 2}] was expected for that many scales of ${NVFP4_BLOCK_SIZE} columns.`,
        place,
      );
    }
    const inputScale = parts.find(({ suffix }) => suffix === "input_scale");
    return {
      rows,
      columns,
      scaleShape: numberShape(findPart(parts, "weight_scale_2", place), place),
      inputScale: inputScale === undefined ? "none" : numberShape(inputScale, place),
    };
  },

  parts({ rows, columns, scaleShape, inputScale }) {
    const parts: LinearPart[] = [
      { suffix: "weight", encoding: "U8", shape: [rows, columns / 2] },
      { suffix: "weight_scale", encoding: "F8_E4M3", shape: [rows, columns / NVFP4_BLOCK_SIZE] },
      { suffix: "weight_scale_2", encoding: "F32", shape: SHAPES[scaleShape] },
    ];
    if (inputScale !== "none")
      parts.push({ suffix: "input_scale", encoding: "F32", shape: SHAPES[inputScale] });
    return parts;
  },

  parameterSuffixes: ({ inputScale }) => [
    "weight_scale",
    "weight_scale_2",
    ...(inputScale === "none" ? [] : ["input_scale"]),
  ],

  measure: (layout, bytes, place) => measureNvfp4(layout, bytes, place).facts,

  open(layout, bytes, place) {
    const pairs = partOf(layout, "weight", bytes, place);
    const parameters = parametersOf(layout, bytes, place);
    const { tensorScale: _, ...unscaled } = { ...parameters, scaleValues: E4M3_VALUES, pairs };
    return {
      ...openFloatBlocks({ ...parameters, pairs }),
      toUnscaled: openFloatBlocks(unscaled).toLevels,
    };
  },
};

/** The facts of a stored weight: as it is, and without the scale of the whole weight. */
export interface MeasuredNvfp4 extends MeasuredBlocks {
  readonly tensorScale: TensorScale | undefined;
}

/** @throws FormatError where a part has another length than its shape says */
export function measureNvfp4(layout: Nvfp4Layout, bytes: PartBytes, place?: ErrorPlace): MeasuredNvfp4 {
  const parameters = parametersOf(layout, bytes, place);
  const { facts } = measureFloatBlocks({ ...parameters, scaleValues: E4M3_VALUES });
  const scale = numberOf(layout, "weight_scale_2", bytes, place);
  const inputScale = layout.inputScale === "none" ? undefined : numberOf(layout, "input_scale", bytes, place);
  return {
    ...measureFloatBlocks(parameters),
    tensorScale: facts === undefined ? undefined : { scale, inputScale, facts },
  };
}

function parametersOf(layout: Nvfp4Layout, bytes: PartBytes, place?: ErrorPlace): FloatBlockParameters {
  const { rows, columns } = layout;
  const scale = numberOf(layout, "weight_scale_2", bytes, place);
  return {
    rows,
    columns,
    scales: partOf(layout, "weight_scale", bytes, place),
    scaleValues: E4M3_VALUES.map((value) => value * scale),
    tensorScale: { scale, blockValues: E4M3_VALUES },
    blockSize: NVFP4_BLOCK_SIZE,
  };
}

function numberShape(part: LinearPart, place: ErrorPlace): "scalar" | "list" {
  const { suffix, encoding, shape } = part;
  if (encoding === "F32" && shape.length === 0) return "scalar";
  if (encoding === "F32" && shape.length === 1 && shape[0] === 1) return "list";
  throw new FormatError(
    `The part ${suffix} is ${encoding} [${shape.join(", ")}]; one F32 number was expected.`,
    place,
  );
}

function numberOf(layout: Nvfp4Layout, suffix: string, bytes: PartBytes, place?: ErrorPlace): number {
  return readFloats(partOf(layout, suffix, bytes, place), "F32")[0] ?? 0;
}

function partOf(layout: Nvfp4Layout, suffix: string, bytes: PartBytes, place?: ErrorPlace): Uint8Array {
  return partBytes(bytes, findPart(nvfp4Codec.parts(layout), suffix, place), place);
}

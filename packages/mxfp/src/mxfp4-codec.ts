/**
 * MXFP4 as checkpoints store it: one E8M0 scale for 32 columns of E2M1 codes.
 *
 *   gpt-oss      blocks  U8 [E, N, K / 32, 16]   scales        U8 [E, N, K / 32]
 *   DeepSeek V4  weight  I8 [N, K / 2]           scale         F8_E8M0 [N, K / 32]
 *   ModelOpt     weight  U8 [N, K / 2]           weight_scale  U8 [N, K / 32]
 *
 * The low nibble of a byte is the even column. value = E2M1(code) × 2^(scale − 127); the scale 255 is NaN.
 * Sources: OCP Microscaling Formats 1.0; transformers, integrations/mxfp4.py; DeepSeek-V4, inference/convert.py;
 * llama.cpp, conversion/base.py (`repack_mxfp4_blocks`); NVIDIA Model Optimizer, quantization/qtensor/mxfp4_tensor.py.
 */
import { type ErrorPlace, FormatError } from "@requant/core";
import {
  findPart,
  type LinearCodec,
  type LinearLayout,
  type LinearPart,
  type PartBytes,
  partBytes,
  type RowWeight,
  suffixesOf,
} from "@requant/core/format";
import {
  byteMatrix,
  E8M0_VALUES,
  type FloatBlockParameters,
  type MeasuredBlocks,
  measureFloatBlocks,
  openFloatBlocks,
} from "./float-blocks.ts";

/** How the bytes of a weight are stored. Plain JSON. */
export interface Mxfp4Layout extends LinearLayout {
  readonly store: Mxfp4Store;
  /** Matrices of a stack; its rows are counted in `rows`. 1 for a weight that is no stack. */
  readonly experts: number;
}

/** Whose tensors these are. */
export type Mxfp4Store = "gpt-oss" | "deepseek" | "modelopt";

/** Columns that share a scale. */
export const MXFP4_BLOCK_SIZE = 32;

interface StoreParts {
  readonly codes: Omit<LinearPart, "shape">;
  readonly scales: Omit<LinearPart, "shape">;
}

/** Suffixes and encodings of each store. */
export const MXFP4_STORES: Readonly<Record<Mxfp4Store, StoreParts>> = {
  "gpt-oss": {
    codes: { suffix: "blocks", encoding: "U8" },
    scales: { suffix: "scales", encoding: "U8" },
  },
  deepseek: {
    codes: { suffix: "weight", encoding: "I8" },
    scales: { suffix: "scale", encoding: "F8_E8M0" },
  },
  modelopt: {
    codes: { suffix: "weight", encoding: "U8" },
    scales: { suffix: "weight_scale", encoding: "U8" },
  },
};

const STORE_NAMES = /* @__PURE__ */ Object.keys(MXFP4_STORES) as readonly Mxfp4Store[];

/** The store that has parts of these names and encodings. */
export function mxfp4StoreOf(parts: readonly LinearPart[]): Mxfp4Store | undefined {
  return STORE_NAMES.find((name) => {
    const { codes, scales } = MXFP4_STORES[name];
    return [codes, scales].every((own) =>
      parts.some(({ suffix, encoding }) => suffix === own.suffix && encoding === own.encoding),
    );
  });
}

/** MXFP4 weights of safetensors models. */
export const mxfp4Codec: LinearCodec<Mxfp4Layout, Record<string, never>, RowWeight> = {
  name: "MXFP4",
  suffixes: ["blocks", "scales", "weight", "scale", "weight_scale"],
  requiredSuffixes: [],

  readLayout(parts, _claims, place = {}) {
    const store = mxfp4StoreOf(parts);
    if (store === undefined) {
      throw new FormatError(
        `The parts ${[...suffixesOf(parts)].join(", ")} are no weight of MXFP4; blocks and scales, weight and scale, or weight and weight_scale were expected.`,
        place,
      );
    }
    const { codes, scales } = MXFP4_STORES[store];
    const codePart = findPart(parts, codes.suffix, place);
    const scalePart = findPart(parts, scales.suffix, place);
    const isStack = store === "gpt-oss";
    const codeShape = byteMatrix(codePart, codes.encoding, isStack ? 4 : 2, place);
    const scaleShape = byteMatrix(scalePart, scales.encoding, isStack ? 3 : 2, place);
    const [experts, each, blocks] = isStack ? scaleShape : [1, ...scaleShape];
    const layout: Mxfp4Layout = {
      store,
      experts: experts ?? 0,
      rows: (experts ?? 0) * (each ?? 0),
      columns: (blocks ?? 0) * MXFP4_BLOCK_SIZE,
    };
    const [expected] = mxfp4Codec.parts(layout);
    if (!Number.isSafeInteger(layout.rows * layout.columns) || expected?.shape.join() !== codeShape.join()) {
      throw new FormatError(
        `The part ${codes.suffix} is [${codeShape.join(", ")}] and ${scales.suffix} is [${scaleShape.join(", ")}]; [${expected?.shape.join(", ")}] was expected for that many scales of ${MXFP4_BLOCK_SIZE} columns.`,
        place,
      );
    }
    return layout;
  },

  parts({ store, experts, rows, columns }) {
    const { codes, scales } = MXFP4_STORES[store];
    const blocks = columns / MXFP4_BLOCK_SIZE;
    return store === "gpt-oss"
      ? [
          { ...codes, shape: [experts, rows / experts, blocks, MXFP4_BLOCK_SIZE / 2] },
          { ...scales, shape: [experts, rows / experts, blocks] },
        ]
      : [
          { ...codes, shape: [rows, columns / 2] },
          { ...scales, shape: [rows, blocks] },
        ];
  },

  parameterSuffixes: ({ store }) => [MXFP4_STORES[store].scales.suffix],

  measure: (layout, bytes, place) => measureMxfp4(layout, bytes, place).facts,

  open(layout, bytes, place) {
    const { suffix } = MXFP4_STORES[layout.store].codes;
    return openFloatBlocks({
      ...parametersOf(layout, bytes, place),
      pairs: partOf(layout, suffix, bytes, place),
    });
  },
};

/** The facts of a stored weight, or why it has none. */
export function measureMxfp4(layout: Mxfp4Layout, bytes: PartBytes, place?: ErrorPlace): MeasuredBlocks {
  return measureFloatBlocks(parametersOf(layout, bytes, place));
}

function parametersOf(layout: Mxfp4Layout, bytes: PartBytes, place?: ErrorPlace): FloatBlockParameters {
  const { store, rows, columns } = layout;
  const scales = partOf(layout, MXFP4_STORES[store].scales.suffix, bytes, place);
  return { rows, columns, scales, scaleValues: E8M0_VALUES, blockSize: MXFP4_BLOCK_SIZE };
}

function partOf(layout: Mxfp4Layout, suffix: string, bytes: PartBytes, place?: ErrorPlace): Uint8Array {
  return partBytes(bytes, findPart(mxfp4Codec.parts(layout), suffix, place), place);
}

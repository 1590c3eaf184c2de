/** NVFP4 as a target: the weights of ModelOpt's own export, without quantized activations. */
import {
  type Arrangement,
  findPart,
  type LinearPart,
  type PartBytes,
  type PlainLayout,
  parseLayout,
  partBytes,
  type WeightEncoder,
  type WeightRequest,
  type WeightTarget,
  type WordSpec,
  writeFloat,
  writeWords,
} from "@requant/core/format";
import { E2M1_VALUES, floatToE4m3 } from "@requant/core/numeric";
import { fittedTable, splitTensorScale, type ViewRequirement } from "@requant/core/view";
import * as z from "zod/mini";
import { NVFP4_BLOCK_SIZE, type Nvfp4Layout, nvfp4Codec } from "./nvfp4-codec.ts";
import { serializeModelOptConfig } from "./nvfp4-config.ts";
import { largestMagnitude, quantizeNvfp4, tensorScaleOf } from "./nvfp4-quantize.ts";
import { packPairs } from "./pairs.ts";

/** A layout with the number that floats need before the first block can be rounded. */
interface WrittenLayout extends Nvfp4Layout {
  /** The largest absolute value of the weight and of those that runtimes join with it. */
  readonly largest: number;
}

/** Made by a function, so that a bundle without the target has no schema. */
const layoutSchema = /* @__PURE__ */ schemaOfLayouts();

function schemaOfLayouts(): z.ZodMiniType<WrittenLayout> {
  return z.object({
    rows: z.int().check(z.positive()),
    columns: z.int().check(z.positive(), z.multipleOf(NVFP4_BLOCK_SIZE)),
    scaleShape: z.enum(["scalar", "list"]),
    inputScale: z.enum(["scalar", "list", "none"]),
    largest: z._default(z.number().check(z.nonnegative(), z.lte(3.4028234663852886e38)), 0),
  });
}

const words: readonly WordSpec[] = [
  {
    key: "layout",
    about: "modelopt: names and configuration of NVIDIA's ModelOpt.",
    words: { kind: "choice", values: { modelopt: "modelopt" } },
    default: "modelopt",
    examples: ["modelopt"],
  },
];

const requirement: ViewRequirement = {
  name: "NVFP4",
  blockSize: NVFP4_BLOCK_SIZE,
  shortLastBlock: false,
  codes: { kind: "table", name: "E2M1", levels: E2M1_VALUES },
  scale: "E4M3",
  tensorScale: "multiplied",
  roundsToHalf: false,
};

/** NVFP4 as a target. */
export const nvfp4Target: WeightTarget = {
  words,
  example: "modelopt",
  rounding:
    "Codes are rounded to the nearest one, without calibration data, and activations are not quantized: ModelOpt with calibration data loses less, and only such a model also runs with activations of four bits.",
  baseName: "model",
  indexed: true,
  head: "kept",
  sampling: {
    columnMultiple: NVFP4_BLOCK_SIZE,
    isNeeded: (_settings, source) => source.format !== "nvfp4",
    // the largest value of a weight may be in any row
    rowsOf: (rows) => Array.from({ length: rows }, (_, row) => row),
    // of a weight that is a part of a stored tensor, both numbers are multiplied by its share
    costs: (sample) => [largestMagnitude(sample), 1],
  },
  arrange,
  offers({ rows, columns, source }, _settings, own) {
    const stored = source?.format === "nvfp4" ? layoutSchema.safeParse(source.layout) : undefined;
    if (stored?.success === true) return [{ layout: { ...stored.data }, label: "NVFP4-16g", requirement }];
    if (columns % NVFP4_BLOCK_SIZE !== 0) {
      return { reason: `${columns} columns are not whole blocks of ${NVFP4_BLOCK_SIZE}` };
    }
    const layout = { rows, columns, scaleShape: "scalar", inputScale: "none", largest: 0, ...own };
    return [{ layout, label: "NVFP4-16g", requirement }];
  },
  sameStorage(source, _facts, layout) {
    const [a, b] = [layoutSchema.safeParse(source), layoutSchema.safeParse(layout)];
    const keys = ["rows", "columns", "scaleShape", "inputScale"] as const;
    return a.success && b.success && keys.every((key) => a.data[key] === b.data[key]);
  },
  encoder: encoderOf,
  config({ left, packed, sourceConfig }) {
    const head = packed.some(({ module }) => module === "lm_head") ? [] : ["lm_head"];
    const { config, file } = serializeModelOptConfig({
      excluded: [...new Set([...head, ...left])],
      layers: packed.map(({ module, layout }) => ({
        module,
        hasInputScale: layout["inputScale"] !== "none",
      })),
      sourceConfig,
    });
    return {
      config,
      files: [["hf_quant_config.json", `${JSON.stringify(file, undefined, 4)}\n`]],
      findings: [],
    };
  },
};

/** Modules that runtimes join to one matrix with one scale (vLLM, the packed modules of its models). */
const JOINED: readonly RegExp[] = [
  /^(.*)\.(?:q|k|v)_proj$/,
  /^(.*)\.(?:gate|up)_proj$/,
  /^(.*)\.w[13]$/,
  /^(.*)\.(?:q_a_proj|kv_a_proj_with_mqa)$/,
  /^(.*)\.in_proj_(?:qkv|z|a|b)$/,
];

function joinedName(module: string): string {
  const index = JOINED.findIndex((pattern) => pattern.test(module));
  return index === -1 ? module : `${index} ${module.replace(JOINED[index]!, "$1")}`;
}

/** Weights that are joined share the largest value, hence the scale. */
function arrange(requests: readonly WeightRequest[], settings: Arrangement["settings"]): Arrangement {
  const largest = new Map<string, number>();
  for (const { module, costs } of requests) {
    const [most = 0, share = 1] = costs ?? [];
    const name = joinedName(module);
    largest.set(name, Math.max(largest.get(name) ?? 0, Math.fround(most / share)));
  }
  return {
    settings,
    byModule: new Map(
      requests.map(({ module }): [string, PlainLayout] => [
        module,
        { largest: largest.get(joinedName(module)) ?? 0 },
      ]),
    ),
  };
}

function encoderOf(plain: PlainLayout): WeightEncoder {
  const layout = parseLayout(layoutSchema, plain, "nvfp4");
  const parts = nvfp4Codec.parts(layout);
  const bytesOf = (bytes: PartBytes, suffix: string): Uint8Array => partBytes(bytes, partOf(parts, suffix));
  /** Scale bytes and pairs of rows from `rowStart` on. */
  const bandOf = (bytes: PartBytes, rowStart: number, rows: number) => {
    const [blocks, width] = [layout.columns / NVFP4_BLOCK_SIZE, layout.columns / 2];
    return {
      scales: bytesOf(bytes, "weight_scale").subarray(rowStart * blocks, (rowStart + rows) * blocks),
      pairs: bytesOf(bytes, "weight").subarray(rowStart * width, (rowStart + rows) * width),
    };
  };
  const setTensorScale = (bytes: PartBytes, scale: number): void => {
    writeFloat(writeWords(bytesOf(bytes, "weight_scale_2"), 32), 0, "F32", scale);
    // activations are not quantized: a scale that leaves them as they are
    if (layout.inputScale !== "none") writeFloat(writeWords(bytesOf(bytes, "input_scale"), 32), 0, "F32", 1);
  };
  return {
    parts,
    requirement,
    rowMultiple: 1,
    floats: {
      kind: "rows",
      pack(values, rowStart, bytes) {
        const scale = tensorScaleOf(layout.largest);
        setTensorScale(bytes, scale);
        const { scales, pairs } = bandOf(bytes, rowStart, values.length / layout.columns);
        quantizeNvfp4(values, scale, scales, pairs);
      },
    },
    fromView(view, rowStart, bytes) {
      const { blocks, tensorScale } = splitTensorScale(view);
      setTensorScale(bytes, tensorScale);
      const fitted = fittedTable(blocks, requirement);
      const { scales, pairs } = bandOf(bytes, rowStart, fitted.rows);
      for (let i = 0; i < scales.length; i++) scales[i] = floatToE4m3(fitted.scales[i]!);
      packPairs(fitted.codes, pairs);
    },
    open: (bytes) => nvfp4Codec.open(layout, bytes),
  };
}

function partOf(parts: readonly LinearPart[], suffix: string): LinearPart {
  return findPart(parts, suffix);
}

/** Columns of the first table in docs/conversions.md: what each format demands of a view, and what it makes of one. */
import { awqCodec } from "@requant/awq";
import { compressedTensorsCodec } from "@requant/compressed-tensors";
import {
  allocateParts,
  type LayoutOffer,
  type LinearCodec,
  type LinearEncoder,
  type LinearLayout,
  type OpenedWeight,
  parseWords,
} from "@requant/core/format";
import {
  dequantizeLevels,
  type Factor,
  isLevelView,
  levelViewOf,
  type StoredView,
  type ViewRequirement,
} from "@requant/core/view";
import {
  blockRowsByteLength,
  blocksToView,
  ggmlTypeByName,
  viewToBlocks,
  viewTypeByName,
} from "@requant/gguf";
import { gptqCodec, gptqMarlinCodec } from "@requant/gptq";
import { weightTargetByName } from "../../src/plan/target-formats.ts";
import { columns, rows, type Stored, weights } from "./layer.ts";

/** The type beside which a GGUF has a scale of the whole weight. */
const SCALED_TYPE = "NVFP4";

/** A way to a target: what it demands, and values after having been there. */
export interface Target {
  requirement(source: Stored): ViewRequirement;
  through(view: StoredView, source: Stored): Float32Array;
  /** The same with one more number for the whole weight, where the container stores one beside it. */
  throughScaled?(view: StoredView, scale: number): Float32Array;
}

export function block(name: string): Target {
  const type = viewTypeByName(name);
  const blocksOf = (view: StoredView): Uint8Array => {
    const blocks = new Uint8Array(blockRowsByteLength(type, rows, columns));
    viewToBlocks(type, view, blocks);
    return blocks;
  };
  return {
    requirement: () => type.requirement,
    through(view) {
      const values = new Float32Array(rows * columns);
      ggmlTypeByName(name).codec?.dequantize(blocksOf(view), values);
      return values;
    },
    ...(name === SCALED_TYPE && {
      throughScaled(view, scale) {
        const read = blocksToView(type, blocksOf(view), rows, columns);
        const levels = isLevelView(read) ? read : levelViewOf(read);
        const beside: Factor = { values: Float32Array.of(scale), span: { kind: "tensor" } };
        const values = new Float32Array(rows * columns);
        dequantizeLevels({ ...levels, factors: [...levels.factors, beside] }, values);
        return values;
      },
    }),
  };
}

function linear<Layout extends LinearLayout>(
  codec: LinearCodec<Layout, never> & LinearEncoder<Layout>,
  layoutFor: (source: Stored) => Layout,
): Target {
  return {
    requirement: (source) => codec.requirement(layoutFor(source)),
    through(view, source) {
      const layout = layoutFor(source);
      const bytes = allocateParts(codec.parts(layout));
      codec.fromView(layout, view, 0, bytes);
      const values = new Float32Array(rows * columns);
      codec.open(layout, bytes).dequantize(0, rows, values);
      return values;
    },
  };
}

/** Groups as the source has them, or one per column where they are scattered or uneven. */
function groupsOf({ grouping: { groupSize: own, groupCount } }: Stored): {
  groupSize: number;
  groupCount: number;
  grouping: "any" | "sequential";
} {
  const groupSize = own === undefined || own >= columns ? -1 : own;
  if (own === undefined) return { groupSize, groupCount, grouping: "any" };
  return { groupSize, groupCount: groupSize === -1 ? 1 : columns / groupSize, grouping: "sequential" };
}

const gptq = (bits: number, sym: boolean): Target =>
  linear(gptqCodec, (source) => ({
    rows,
    columns,
    bits,
    ...groupsOf(source),
    sym,
    packing: bits === 5 || bits === 6 || bits === 7 ? "planar" : "stream",
    packDtype: "int32",
    zeros: "stored",
    scale: "F16",
    hasGroupIndex: true,
  }));

/** A layout of a target for the layer, and its settings. */
function offerOf(format: string, words: string, floats: "F16" | "BF16"): LayoutOffer {
  const target = weightTargetByName(format);
  const given = parseWords(target.words, words);
  const costs = target.sampling?.costs(weights, rows, columns);
  const request = { module: "model.layers.0.mlp.up_proj", rows, columns, views: [], floats, costs };
  const arranged = target.arrange?.([request], target.settle?.(given) ?? given, undefined);
  const settings = arranged?.settings ?? target.settle?.(given) ?? given;
  const offers = target.offers(request, settings, arranged?.byModule?.get(request.module));
  const [offer] = "reason" in offers ? [] : offers;
  if (offer === undefined) throw new Error(`${format}:${words} packs no such weight`);
  return offer;
}

/** The layer, packed by a target's own quantizer. */
export function writtenLayer(format: string, words: string, floats: "F16" | "BF16"): OpenedWeight {
  const encoder = weightTargetByName(format).encoder(offerOf(format, words, floats).layout);
  const bytes = allocateParts(encoder.parts);
  if (encoder.floats.kind === "view") encoder.fromView(encoder.floats.quantize(weights, rows), 0, bytes);
  else if (encoder.floats.kind === "rows") encoder.floats.pack(weights, 0, bytes);
  else return encoder.open(encoder.floats.pack(weights));
  return encoder.open(bytes);
}

/** What a target makes of a view. */
function packed(format: string, words: string): Target {
  const encoder = weightTargetByName(format).encoder(offerOf(format, words, "F16").layout);
  if (encoder.requirement === undefined) throw new Error(`${format}:${words} takes no view`);
  const { requirement } = encoder;
  return {
    requirement: () => requirement,
    through(view) {
      const bytes = allocateParts(encoder.parts);
      encoder.fromView(view, 0, bytes);
      const values = new Float32Array(rows * columns);
      encoder.open(bytes).dequantize(0, rows, values);
      return values;
    },
  };
}

/** Columns of the table. */
export const layerTargets: Record<string, Target> = {
  Q4_0: block("Q4_0"),
  Q4_1: block("Q4_1"),
  Q4_K: block("Q4_K"),
  Q5_0: block("Q5_0"),
  Q5_1: block("Q5_1"),
  Q5_K: block("Q5_K"),
  Q6_K: block("Q6_K"),
  Q8_0: block("Q8_0"),
  MXFP4: block("MXFP4"),
  NVFP4: block("NVFP4"),
  TQ2_0: block("TQ2_0"),
  "GPTQ 4-bit": gptq(4, false),
  "GPTQ 8-bit sym": gptq(8, true),
  "AWQ gemm": linear(awqCodec, (source) => {
    const { groupSize, groupCount } = groupsOf(source);
    return { version: "gemm", rows, columns, groupSize, groupCount, scale: "F16" };
  }),
  "GPTQ Marlin": linear(gptqMarlinCodec, (source) => {
    const { groupSize, groupCount } = groupsOf(source);
    return { rows, columns, groupSize, groupCount, scale: "F16" };
  }),
  "compressed-tensors 8-bit": linear(compressedTensorsCodec, (source) => ({
    rows,
    columns,
    bits: 8,
    ...groupsOf(source),
    symmetric: false,
    scale: "F16",
  })),
  "MLX 4-bit": packed("mlx", "4bit-32g-f16-scales"),
  "MLX 8-bit": packed("mlx", "8bit-32g-f16-scales"),
  "MLX mxfp4": packed("mlx", "mxfp4"),
};

/** MLX as a target, as mlx-lm writes it: embeddings and head are quantized, too. */
import type { Finding } from "@requant/core";
import { UsageError } from "@requant/core";
import {
  type ConfigRequest,
  type FloatPacking,
  type LayoutOffer,
  type PlainLayout,
  packedFinding,
  parseLayout,
  type ScaleEncoding,
  type TargetConfig,
  type TargetSettings,
  type WeightEncoder,
  type WeightRequest,
  type WeightTarget,
  type WordSpec,
} from "@requant/core/format";
import * as z from "zod/mini";
import { affineView } from "./affine-view.ts";
import { mlxCodec } from "./codec.ts";
import { serializeMlxConfig } from "./config.ts";
import {
  affineBits,
  affineGroupSizes,
  floatModeOf,
  floatModes,
  type MlxLayout,
  type MlxMode,
} from "./layout.ts";
import { packFloats, packView, requirementOf } from "./pack.ts";
import { labelOf } from "./source.ts";

/** 1 bit is read only. */
const WRITTEN_BITS = affineBits.filter((bits) => bits > 1);

const words: readonly WordSpec[] = [
  {
    key: "codes",
    about:
      "Bits per code beside a scale and a bias; mxfp4, mxfp8, nvfp4: small floats beside scales of 8 bits.",
    words: {
      kind: "choice",
      values: Object.fromEntries(
        [...WRITTEN_BITS.map((bits) => `${bits}bit`), ...Object.keys(floatModes)].map((word) => [word, word]),
      ),
    },
    default: "4bit",
    examples: [...WRITTEN_BITS.map((bits) => `${bits}bit`), ...Object.keys(floatModes)],
    search: "examples",
  },
  {
    key: "groupSize",
    about: "Columns that share a scale and a bias; the small floats have fixed groups.",
    words: {
      kind: "choice",
      values: Object.fromEntries(affineGroupSizes.map((size) => [`${size}g`, size])),
    },
    // without examples: most combinations with the first setting contradict it
    search: "source-groups",
  },
  {
    key: "scales",
    about: "The type of scales and biases; without a word that of the source, or one that holds them.",
    words: { kind: "choice", values: { "f16-scales": "F16", "bf16-scales": "BF16", "f32-scales": "F32" } },
  },
];

const scale = z.enum(["F16", "BF16", "F32"]);
const size = z.int().check(z.positive());
const common = { rows: size, columns: size, experts: z.optional(size) };
const affineSchema: z.ZodMiniType<MlxLayout> = z
  .object({
    ...common,
    mode: z.literal("affine"),
    bits: z.int().check(z.refine((bits) => affineBits.includes(bits))),
    groupSize: z.int().check(z.refine((own) => own === 16 || affineGroupSizes.includes(own))),
    scale,
  })
  .check(z.refine(isWhole));
const floatSchemas = /* @__PURE__ */ Object.entries(floatModes).map(([mode, { bits, groupSize }]) =>
  z
    .object({
      ...common,
      mode: z.literal(mode as MlxMode),
      bits: z.literal(bits),
      groupSize: z.literal(groupSize),
      scale: z.literal("U8"),
      floats: z.optional(scale),
      globalScale: z.optional(z.enum(["tensor", "experts"])),
    })
    .check(z.refine(isWhole)),
);
const layoutSchema: z.ZodMiniType<MlxLayout> = /* @__PURE__ */ z.union([affineSchema, ...floatSchemas]);

/** Rows of whole groups, and a stack of matrices of equal size. */
function isWhole({ rows, columns, groupSize, experts = 1 }: Omit<MlxLayout, "mode">): boolean {
  return columns % groupSize === 0 && rows % experts === 0 && Number.isSafeInteger(rows * columns);
}

/** MLX as a target. */
export const mlxTarget: WeightTarget = {
  words,
  example: "4bit-64g",
  settle,
  takesGuides: true,
  rounding:
    "Codes are rounded to the nearest one, with the arithmetic of mlx-lm's convert; its dynamic quantization, AWQ and DWQ lose less.",
  baseName: "model",
  indexed: "always",
  head: "always",
  embeddings: true,
  stacks: true,
  fileMetadata: { format: "mlx" },
  offers,
  sameStorage(source, _facts, layout) {
    const [a, b] = [layoutSchema.safeParse(source), layoutSchema.safeParse(layout)];
    return a.success && b.success && JSON.stringify(ordered(a.data)) === JSON.stringify(ordered(b.data));
  },
  encoder: encoderOf,
  config: configOf,
};

function ordered({ rows, columns, mode, bits, groupSize, scale: own, experts, globalScale }: MlxLayout) {
  return [rows, columns, mode, bits, groupSize, own, experts ?? null, globalScale ?? null];
}

/** Bits, group size and mode of the words. */
function widthOf({ codes, groupSize }: TargetSettings): Pick<MlxLayout, "mode" | "bits" | "groupSize"> {
  const [mode] = Object.keys(floatModes).filter((name) => name === codes) as (keyof typeof floatModes)[];
  if (mode !== undefined) return { mode, bits: floatModes[mode].bits, groupSize: floatModes[mode].groupSize };
  return { mode: "affine", bits: Number.parseInt(String(codes), 10), groupSize: Number(groupSize ?? 64) };
}

function settle(settings: TargetSettings): TargetSettings {
  const { mode, groupSize } = widthOf(settings);
  const { groupSize: asked, scales } = settings;
  if (mode !== "affine" && asked !== undefined && asked !== groupSize) {
    throw new UsageError(`The mode ${mode} has groups of ${groupSize}, not of ${asked}.`, {
      hint: `Leave ${asked}g out.`,
    });
  }
  if (mode === "affine" && !affineGroupSizes.includes(groupSize)) {
    throw new UsageError(`MLX has groups of ${affineGroupSizes.join(", ")} columns, not of ${groupSize}.`, {
      hint: "Choose one of them, such as 64g.",
    });
  }
  if (mode !== "affine" && scales !== undefined) {
    throw new UsageError(`The mode ${mode} has scales of 8 bits, not ${scales}.`, {
      hint: `Leave ${String(scales).toLowerCase()}-scales out.`,
    });
  }
  return { ...settings, groupSize };
}

function offers(request: WeightRequest, settings: TargetSettings): LayoutOffer[] | { reason: string } {
  const { rows, columns, leading } = request;
  const width = widthOf(settings);
  if (columns % width.groupSize !== 0) {
    return {
      reason: `${columns} columns are not whole groups of ${width.groupSize}, so mlx-lm leaves such layers in floats`,
    };
  }
  const types: readonly MlxLayout["scale"][] =
    width.mode === "affine" ? scaleTypes(request, settings) : ["U8"];
  return types.map((type) => {
    const floats = type === "U8" && request.floats !== undefined ? { floats: request.floats } : {};
    const stack =
      leading === undefined ? {} : { experts: leading.reduce((product, own) => product * own, 1) };
    const layout = { rows, columns, ...width, scale: type, ...floats, ...stack };
    return { layout, label: labelOf(layout), requirement: requirementOf(layout) };
  });
}

/** The type that was asked for; else those that may keep the source's numbers, and for floats the source's own type. */
function scaleTypes({ views, source, floats }: WeightRequest, { scales }: TargetSettings): ScaleEncoding[] {
  const asked = scale.safeParse(scales);
  if (asked.success) return [asked.data];
  if (views.length === 0) return [floats ?? "F16"];
  const own = source?.format === "mlx" ? layoutSchema.safeParse(source.layout) : undefined;
  const known = own?.success === true && own.data.scale !== "U8" ? [own.data.scale] : [];
  return [...new Set<ScaleEncoding>([...known, "F16", "BF16"])];
}

function encoderOf(plain: PlainLayout): WeightEncoder {
  const layout = parseLayout(layoutSchema, plain, "mlx");
  return {
    parts: mlxCodec.parts(layout),
    requirement: requirementOf(layout),
    rowMultiple: 1,
    floats: floatModeOf(layout.mode) === undefined ? affineFloats(layout) : smallFloats(layout),
    fromView: (view, rowStart, bytes) => packView(layout, view, rowStart, bytes),
    open: (bytes) => mlxCodec.open(layout, bytes),
  };
}

function affineFloats(layout: MlxLayout): FloatPacking {
  return {
    kind: "view",
    quantize: (values, rows, guide) => affineView(layout, values, rows, guide?.importance),
    usesImportance: true,
    storesViewExactly: true,
  };
}

function smallFloats(layout: MlxLayout): FloatPacking {
  return {
    kind: "rows",
    pack: (values, rowStart, bytes) => packFloats(layout, values, rowStart, bytes),
  };
}

function configOf({ settings, packed }: ConfigRequest): TargetConfig {
  const config = serializeMlxConfig(widthOf(settings));
  return { config, topLevel: { quantization: config }, files: [], findings: separateExperts(packed) };
}

const EXPERT = /\.experts\.\d+\./;

function separateExperts(packed: ConfigRequest["packed"]): Finding[] {
  const expert = packed.find(({ module }) => EXPERT.test(module));
  if (expert === undefined) return [];
  return [
    {
      ...packedFinding(
        "Experts are written one by one. mlx-lm stacks them as it loads Mixtral, Qwen 2, DeepSeek, OLMoE and GLM 4.5, and does not read quantized ones of Qwen 3.",
      ),
      tensor: `${expert.module}.weight`,
    },
  ];
}

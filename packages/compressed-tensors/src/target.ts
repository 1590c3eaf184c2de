/** compressed-tensors as a target: format pack-quantized, as llm-compressor writes it. */
import {
  bitsWord,
  type ConfigRequest,
  describedGroupSize,
  groupCountOf,
  groupSizeWord,
  groupWord,
  keepsOwnGroups,
  type LayoutOffer,
  type PlainLayout,
  parseLayout,
  scaleType,
  symWord,
  type TargetConfig,
  type WeightEncoder,
  type WeightTarget,
} from "@requant/core/format";
import * as z from "zod/mini";
import { type CompressedTensorsLayout, compressedTensorsCodec } from "./codec.ts";
import { type CompressedTensorsGroup, serializeCompressedTensorsConfig } from "./config.ts";
import { quantizeCompressedTensors } from "./quantize.ts";

/** What today's versions write. */
type WrittenLayout = Omit<CompressedTensorsLayout, "packing" | "zeros" | "shape" | "groupIndex">;

const layoutSchema: z.ZodMiniType<CompressedTensorsLayout> = z.object({
  rows: z.int().check(z.positive()),
  columns: z.int().check(z.positive()),
  bits: z.int().check(z.gte(2), z.lte(8)),
  groupCount: z.int().check(z.positive()),
  groupSize: z.int(),
  symmetric: z.boolean(),
  scale: z.enum(["F16", "BF16", "F32"]),
  grouping: z.enum(["any", "sequential"]),
  packing: z.optional(z.literal("loose")),
  zeros: z.optional(z.literal("I8")),
  shape: z.optional(z.literal("I32")),
  groupIndex: z.optional(z.literal("I64")),
});

/** compressed-tensors as a target. */
export const compressedTensorsTarget: WeightTarget = {
  words: [bitsWord(2, 8), groupSizeWord, symWord],
  example: "4bit-128g-sym",
  rounding:
    "Codes are rounded to the nearest one, without calibration data, as llm-compressor's QuantizationModifier does; its GPTQ and AWQ modifiers lose less.",
  baseName: "model",
  indexed: true,
  head: "kept",
  offers({ rows, columns, views }, settings) {
    const bits = Number(settings["bits"]);
    const groupSize = Number(settings["groupSize"]);
    const base: WrittenLayout = {
      rows,
      columns,
      bits,
      groupSize,
      groupCount: groupCountOf(columns, groupSize),
      symmetric: settings["sym"] === true,
      scale: scaleType(views),
      grouping: "sequential",
    };
    if (groupSize > 0 && columns > groupSize && columns % groupSize !== 0) {
      return { reason: `${columns} columns are not whole groups of ${groupSize}, which vLLM needs` };
    }
    const offer = (layout: WrittenLayout): LayoutOffer => ({
      layout: { ...layout },
      label: `CT-${bits}bit-${groupWord(groupSize, columns)}`,
      requirement: compressedTensorsCodec.requirement(layout),
    });
    const [view, ...others] = views;
    return view !== undefined && others.length === 0 && keepsOwnGroups(view)
      ? [offer(base), offer({ ...base, grouping: "any", groupCount: view.groupCount })]
      : [offer(base)];
  },
  sameStorage(source, facts, layout) {
    const [a, b] = [layoutSchema.safeParse(source), layoutSchema.safeParse(layout)];
    if (!a.success || !b.success) return false;
    return (
      a.data.bits === b.data.bits &&
      a.data.groupCount === b.data.groupCount &&
      a.data.symmetric === b.data.symmetric &&
      a.data.scale === b.data.scale &&
      a.data.grouping === b.data.grouping &&
      a.data.columns === b.data.columns &&
      a.data.packing === b.data.packing &&
      a.data.zeros === b.data.zeros &&
      a.data.shape === b.data.shape &&
      a.data.groupIndex === b.data.groupIndex &&
      (facts?.groupSize !== undefined || b.data.grouping === "any")
    );
  },
  encoder: encoderOf,
  config: configOf,
};

function encoderOf(layout: PlainLayout): WeightEncoder {
  const own = parseLayout(layoutSchema, layout, "compressed-tensors");
  return {
    parts: compressedTensorsCodec.parts(own),
    requirement: compressedTensorsCodec.requirement(own),
    rowMultiple: compressedTensorsCodec.rowMultiple(own),
    floats: {
      kind: "view",
      quantize: (values, rows) => quantizeCompressedTensors(own, values, rows),
      storesViewExactly: true,
    },
    fromView: (view, rowStart, bytes) => compressedTensorsCodec.fromView(own, view, rowStart, bytes),
    open: (bytes) => compressedTensorsCodec.open(own, bytes),
  };
}

/** One group for modules with consecutive groups of columns, and one more for modules with act-order. */
function configOf({ settings, packed, left }: ConfigRequest): TargetConfig {
  const spread = packed.filter(({ layout }) => layout["grouping"] === "any");
  const group = (
    targets: readonly string[],
    actorder: CompressedTensorsGroup["actorder"],
  ): CompressedTensorsGroup => ({
    targets,
    bits: Number(settings["bits"]),
    groupSize: describedGroupSize(packed, Number(settings["groupSize"])),
    symmetric: settings["sym"] === true,
    actorder,
  });
  const all = spread.length === packed.length;
  const groups =
    spread.length === 0
      ? [group(["Linear"], undefined)]
      : all
        ? [group(["Linear"], "group")]
        : [
            group(
              spread.map(({ module }) => module),
              "group",
            ),
            group(["Linear"], undefined),
          ];
  const head =
    packed.some(({ module }) => module === "lm_head") || left.includes("lm_head") ? [] : ["lm_head"];
  return {
    config: serializeCompressedTensorsConfig({ groups, ignore: [...head, ...left] }),
    files: [],
    findings: [],
  };
}

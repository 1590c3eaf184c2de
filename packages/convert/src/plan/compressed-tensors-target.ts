import {
  type CompressedTensorsGroup,
  type CompressedTensorsLayout,
  compressedTensorsCodec,
  quantizeCompressedTensors,
  serializeCompressedTensorsConfig,
} from "@requant/compressed-tensors";
import * as z from "zod/mini";
import { groupWord } from "../model/linear-weight.ts";
import type {
  ConfigRequest,
  LayoutOffer,
  LinearTarget,
  PlainLayout,
  TargetConfig,
  WeightEncoder,
} from "./linear-target.ts";
import { describedGroupSize, groupCountOf, integerWords, keepsOwnGroups, scaleType } from "./target-words.ts";

const layoutSchema: z.ZodMiniType<CompressedTensorsLayout> = z.object({
  rows: z.int().check(z.positive()),
  columns: z.int().check(z.positive()),
  bits: z.int().check(z.gte(2), z.lte(8)),
  groupCount: z.int().check(z.positive()),
  groupSize: z.int(),
  symmetric: z.boolean(),
  scale: z.enum(["F16", "BF16", "F32"]),
  grouping: z.enum(["any", "sequential"]),
});

/** compressed-tensors, format pack-quantized, as llm-compressor writes it. */
export const compressedTensorsTarget: LinearTarget = {
  name: "compressed-tensors",
  example: "compressed-tensors:4bit-128g-sym",
  baseName: "model",
  indexed: true,
  head: "kept",
  allowed: () =>
    [2, 3, 4, 5, 6, 7, 8].flatMap((bits) =>
      ["32g", "64g", "128g", "colg"].flatMap((group) =>
        ["sym", "asym"].map((sym) => `${bits}bit-${group}-${sym}`),
      ),
    ),
  parse(tokens) {
    const words = integerWords(tokens);
    if (words === undefined || words.rest.length > 0) return undefined;
    const { bits = 4, groupSize = 128, sym = true } = words;
    return { bits, groupSize, sym };
  },
  offers({ rows, columns, views }, settings) {
    const bits = Number(settings["bits"]);
    const groupSize = Number(settings["groupSize"]);
    const base: CompressedTensorsLayout = {
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
    const offer = (layout: CompressedTensorsLayout): LayoutOffer => ({
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
      (facts.groupSize !== undefined || b.data.grouping === "any")
    );
  },
  encoder: encoderOf,
  config: configOf,
};

function encoderOf(layout: PlainLayout): WeightEncoder {
  const own = layoutSchema.parse(layout);
  return {
    parts: compressedTensorsCodec.parts(own),
    requirement: compressedTensorsCodec.requirement(own),
    rowMultiple: compressedTensorsCodec.rowMultiple(own),
    storesViewExactly: true,
    quantize: (values, rows) => quantizeCompressedTensors(own, values, rows),
    fromView: (view, rowStart, bytes) => compressedTensorsCodec.fromView(own, view, rowStart, bytes),
    open: (bytes) => compressedTensorsCodec.open(own, bytes),
  };
}

/** One group of modules for those in order, one more for those that act-order has spread. */
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
    notes: [],
  };
}

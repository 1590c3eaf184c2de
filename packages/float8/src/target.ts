/** FP8 as a target: a scale for each block, as transformers' `FineGrainedFP8Config` stores it. */
import { UsageError } from "@requant/core";
import {
  type ConfigRequest,
  type PartBytes,
  type PlainLayout,
  parseLayout,
  type TargetConfig,
  type WeightEncoder,
  type WeightTarget,
  writeWords,
} from "@requant/core/format";
import { E4M3_VALUES, FLOAT8_ENCODINGS, floatToE8m0 } from "@requant/core/numeric";
import { fittedTable, type StoredView, scalesOfBlocks, type ViewRequirement } from "@requant/core/view";
import * as z from "zod/mini";
import { float8Codec, partOf } from "./codec.ts";
import { serializeFloat8Config } from "./config.ts";
import { blockCounts, type Float8Layout, SCALE_ENCODINGS, SCALE_NAMES } from "./layout.ts";
import { quantizeFloat8 } from "./quantize.ts";
import { labelOf } from "./source.ts";

const layoutSchema: z.ZodMiniType<Float8Layout> = /* @__PURE__ */ schemaOfLayouts();

function schemaOfLayouts(): z.ZodMiniType<Float8Layout> {
  const size = z.int().check(z.positive());
  return z.object({
    rows: size,
    columns: size,
    blockRows: size,
    blockColumns: size,
    codes: z.enum(FLOAT8_ENCODINGS),
    scale: z.enum(SCALE_ENCODINGS),
    scaleName: z.enum(SCALE_NAMES),
    scaleRank: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  });
}

/** FP8 as a target. */
export const float8Target: WeightTarget = {
  words: [
    {
      key: "block",
      about: "Rows and columns that share a scale; transformers and vLLM have kernels for 128.",
      words: { kind: "choice", values: { "block-32": 32, "block-64": 64, "block-128": 128 } },
      default: 128,
      examples: [128],
    },
    {
      key: "powersOfTwo",
      about: "Scales are powers of two, so that BF16 holds every weight exactly.",
      words: { kind: "choice", values: { ue8m0: true } },
    },
  ],
  example: "block-128",
  baseName: "model",
  indexed: true,
  head: "kept",
  offers({ rows, columns, source }, settings) {
    const block = Number(settings["block"]);
    const own = source?.format === "fp8" ? layoutSchema.safeParse(source.layout) : undefined;
    const isOwn = own?.success === true && isWritten(own.data, block);
    if (!isOwn && !(isWhole(rows, block) && isWhole(columns, block))) {
      return { reason: `[${rows}, ${columns}] is not whole blocks of ${block}, which transformers needs` };
    }
    const scale = settings["powersOfTwo"] === true ? "F8_E8M0" : "F32";
    const layout: Float8Layout = {
      rows,
      columns,
      blockRows: block,
      blockColumns: block,
      codes: "F8_E4M3",
      scale: isOwn ? own.data.scale : scale,
      scaleName: "weight_scale_inv",
      scaleRank: 2,
    };
    return [{ layout: { ...layout }, label: labelOf(layout), requirement: requirementOf(layout) }];
  },
  sameStorage(source, _facts, layout) {
    const [a, b] = [layoutSchema.safeParse(source), layoutSchema.safeParse(layout)];
    if (!a.success || !b.success) return false;
    return isWritten(a.data, b.data.blockRows) && a.data.scale === b.data.scale;
  },
  encoder: encoderOf,
  config: configOf,
};

/** transformers divides a side by its number of blocks: several must be whole, and one may be short. */
function isWhole(side: number, block: number): boolean {
  return side % block === 0 || side < block;
}

/** True for weights that are stored as this target stores them, with E4M3 codes. */
function isWritten(
  { blockRows, blockColumns, codes, scaleName, scaleRank }: Float8Layout,
  block: number,
): boolean {
  return (
    codes === "F8_E4M3" &&
    blockRows === block &&
    blockColumns === block &&
    scaleName === "weight_scale_inv" &&
    scaleRank === 2
  );
}

function encoderOf(layout: PlainLayout): WeightEncoder {
  const own = parseLayout(layoutSchema, layout, "fp8");
  return {
    parts: float8Codec.parts(own),
    requirement: requirementOf(own),
    rowMultiple: own.blockRows,
    floats: {
      kind: "rows",
      pack: (values, rowStart, bytes) => pack(own, values, rowStart, bytes),
    },
    fromView: (view, rowStart, bytes) => writeView(own, view, rowStart, bytes),
    open: (bytes) => float8Codec.open(own, bytes),
  };
}

/** What a view must be for the layout to hold it exactly. */
function requirementOf({ columns, blockRows, blockColumns, scale }: Float8Layout): ViewRequirement {
  return {
    name: `FP8 with blocks of ${blockRows} × ${blockColumns}`,
    blockSize: blockColumns >= columns ? -1 : blockColumns,
    scaleRows: blockRows,
    shortLastBlock: true,
    codes: { kind: "table", name: "E4M3", levels: E4M3_VALUES },
    scale: scale === "F8_E8M0" || scale === "U8" ? "E8M0" : scale,
    roundsToHalf: false,
  };
}

/** Rows of a view that fits. @throws UsageError where it does not, or where rows of one block have different scales */
function writeView(layout: Float8Layout, view: StoredView, rowStart: number, bytes: PartBytes): void {
  const fitted = fittedTable(view, requirementOf(layout));
  partOf(layout, "weight", bytes).set(fitted.codes, rowStart * layout.columns);
  writeScales(layout, scalesOfBlocks(fitted, layout.blockRows, rowStart), rowStart, bytes);
}

function pack(layout: Float8Layout, values: Float32Array, rowStart: number, bytes: PartBytes): void {
  const { columns, blockRows, blockColumns, scale } = layout;
  const [, across] = blockCounts(layout);
  const start = rowStart * columns;
  const codes = partOf(layout, "weight", bytes).subarray(start, start + values.length);
  const scales = new Float32Array(Math.ceil(values.length / columns / blockRows) * across);
  const powersOfTwo = scale === "F8_E8M0";
  quantizeFloat8(values, { columns, blockRows, blockColumns, powersOfTwo }, codes, scales);
  writeScales(layout, scales, rowStart, bytes);
}

/** Scales of whole blocks from a row on. */
function writeScales(layout: Float8Layout, scales: Float32Array, rowStart: number, bytes: PartBytes): void {
  const { blockRows, scale, scaleName } = layout;
  if (scale !== "F32" && scale !== "F8_E8M0") {
    throw new UsageError(`FP8 is written with scales in F32 or F8_E8M0, and the layout has ${scale}.`);
  }
  const [, across] = blockCounts(layout);
  const stored = partOf(layout, scaleName, bytes);
  const first = (rowStart / blockRows) * across;
  if (scale === "F8_E8M0") stored.set(Uint8Array.from(scales, exponentCode), first);
  else writeWords(stored, 32).set(new Uint32Array(scales.buffer), first);
}

/** Of a power of two that `quantizeFloat8` chose. */
function exponentCode(scale: number): number {
  const code = floatToE8m0(scale);
  if (code === undefined) throw new UsageError(`The scale ${scale} is no power of two that E8M0 holds.`);
  return code;
}

function configOf({ settings, packed, left }: ConfigRequest): TargetConfig {
  const block = Number(settings["block"]);
  const hasHead = packed.some(({ module }) => module === "lm_head") || left.includes("lm_head");
  return {
    config: serializeFloat8Config({
      blockSize: [block, block],
      powersOfTwo: settings["powersOfTwo"] === true,
      left: [...(hasHead ? [] : ["lm_head"]), ...left],
    }),
    files: [],
    findings: [],
  };
}

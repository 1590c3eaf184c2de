/** GPTQ as a target: as GPTQModel writes it, or a Marlin checkpoint. */
import { type CodecError, type Finding, isCodecError, UsageError } from "@requant/core";
import type { LinearLayout } from "@requant/core/format";
import {
  bitsWord,
  type ConfigRequest,
  describedGroupSize,
  groupCountOf,
  groupSizeWord,
  groupWord,
  keepsOwnGroups,
  type LayoutOffer,
  type PackedModule,
  type PlainLayout,
  parseLayout,
  scaleType,
  symWord,
  type TargetConfig,
  type TargetSettings,
  type WeightEncoder,
  type WeightRequest,
  type WeightTarget,
  type WordSpec,
} from "@requant/core/format";
import { type Misfit, quantizeView, type ViewFacts } from "@requant/core/view";
import * as z from "zod/mini";
import { checkLayout, type GptqLayout, gptqCodec } from "./codec.ts";
import {
  type GptqCheckpointFormat,
  type GptqConfig,
  type GptqRule,
  parseGptqConfig,
  serializeGptqConfig,
} from "./config.ts";
import { type GptqMarlinLayout, gptqMarlinCodec } from "./marlin.ts";
import { quantizeGptq } from "./quantize.ts";
import { sameGroups, sameMarlin, sameZeros } from "./same-storage.ts";

interface Settings {
  readonly bits: number;
  readonly groupSize: number;
  readonly sym: boolean;
  readonly variant: string;
  readonly search: boolean;
  readonly act: boolean;
}

function settingsOf(settings: TargetSettings): Settings {
  return {
    bits: Number(settings["bits"]),
    groupSize: Number(settings["groupSize"]),
    sym: settings["sym"] === true,
    variant: String(settings["variant"]),
    search: settings["search"] === true,
    act: settings["act"] === true,
  };
}

/** What is written has zero points, and g_idx as I32. */
type WrittenLayout = Omit<GptqLayout, "hasZeros" | "groupIndex">;

const gptqLayoutSchema: z.ZodMiniType<GptqLayout> = z.object({
  rows: z.int().check(z.positive()),
  columns: z.int().check(z.positive()),
  bits: z.int().check(z.gte(2), z.lte(8)),
  groupCount: z.int().check(z.positive()),
  groupSize: z.int(),
  sym: z.boolean(),
  packing: z.enum(["stream", "planar"]),
  packDtype: z.enum(["int32", "int16", "int8"]),
  zeros: z.enum(["stored", "minus-one", "minus-one-word", "minus-one-wrapped"]),
  scale: z.enum(["F16", "BF16", "F32"]),
  grouping: z.enum(["any", "sequential"]),
  hasGroupIndex: z.boolean(),
  hasZeros: z.optional(z.boolean()),
  groupIndex: z.optional(z.literal("I64")),
});

const marlinLayoutSchema: z.ZodMiniType<GptqMarlinLayout> = z.object({
  rows: z.int().check(z.positive()),
  columns: z.int().check(z.positive()),
  groupCount: z.int().check(z.positive()),
  groupSize: z.int(),
  scale: z.enum(["F16", "BF16", "F32"]),
});

const words: readonly WordSpec[] = [
  bitsWord(2, 8),
  groupSizeWord,
  symWord,
  {
    key: "variant",
    about:
      "How codes and zero points are stored; v1 where it can say them, else v2; 5, 6 and 7 bits are planar.",
    words: { kind: "choice", values: { v1: "v1", v2: "v2", planar: "planar", marlin: "marlin" } },
  },
  {
    key: "search",
    about: "Search each group's scale for the least error.",
    words: { kind: "choice", values: { mse: true } },
  },
  {
    key: "act",
    about:
      "With calibration statistics, columns with large activations share groups (desc_act): a little less error, slower to read, and no other format holds such groups.",
    words: { kind: "choice", values: { act: true } },
    needs: "statistics",
  },
];

/** Widths that only GPTQModel's planar packing holds. */
const PLANAR_ONLY: readonly number[] = [5, 6, 7];

/** Refuses words that contradict each other, one rule for each line. */
function settle(asked: TargetSettings): TargetSettings {
  const { bits, sym, search, act } = settingsOf(asked);
  const planarOnly = PLANAR_ONLY.includes(bits);
  const variant = asked["variant"] ?? (planarOnly ? "planar" : "auto");
  const refuse = (message: string, hint: string): never => {
    throw new UsageError(message, { hint });
  };
  if (variant === "marlin" && !(bits === 4 && sym && !search)) {
    refuse(
      "Marlin holds 4-bit symmetric codes without a search.",
      "Write 4bit-sym-marlin, or leave out marlin.",
    );
  }
  if (variant === "marlin" && act) {
    refuse("Marlin groups consecutive columns.", "Leave out act, or leave out marlin.");
  }
  if (variant === "planar" && !(planarOnly || bits === 3)) {
    refuse(`Planar packing is for 3, 5, 6 and 7 bits, not ${bits}.`, "Leave out planar.");
  }
  if ((variant === "v1" || variant === "v2") && planarOnly) {
    refuse(`${bits} bits are stored planar, not as ${variant}.`, `Leave out ${variant}.`);
  }
  return { ...asked, variant, search, act };
}

export const gptqTarget: WeightTarget = {
  words,
  example: "4bit-128g-sym",
  takesGuides: true,
  rounding:
    "Codes are rounded to the nearest one, without calibration data: the GPTQ algorithm, which makes up for the error of each column in the columns after it, is not run, so the model loses more than one that GPTQ calibrated.",
  settle,
  baseName: "model",
  indexed: true,
  head: "kept",
  arrange: (requests, settings) => ({ settings: settledVariant(settings, requests) }),
  offers,
  sameStorage,
  encoder: encoderOf,
  config: configOf,
};

/**
 * Every reader supports v1, but v1 cannot store a zero point of 0, and a file has one convention for all weights. Where
 * no word decides, v2 is written if one weight needs it.
 */
function settledVariant(settings: TargetSettings, requests: readonly WeightRequest[]): TargetSettings {
  if (settings["variant"] !== "auto") return settings;
  const needed =
    settings["sym"] !== true && requests.some(({ views }) => views.some(({ minZero }) => minZero === 0));
  return { ...settings, variant: needed ? "v2" : "v1" };
}

function offers(request: WeightRequest, asked: TargetSettings): readonly LayoutOffer[] | Misfit {
  const settings = settingsOf(asked);
  return settings.variant === "marlin" ? marlinOffers(request, settings) : gptqOffers(request, settings);
}

function gptqOffers(
  { rows, columns, views }: WeightRequest,
  settings: Settings,
): readonly LayoutOffer[] | Misfit {
  const { bits, groupSize, sym, variant, search, act } = settings;
  const base: WrittenLayout = {
    rows,
    columns,
    bits,
    groupSize,
    groupCount: groupCountOf(columns, groupSize),
    sym,
    packing: variant === "planar" ? "planar" : "stream",
    packDtype: "int32",
    zeros: variant === "v1" ? "minus-one" : "stored",
    scale: scaleType(views),
    grouping: act && views.length === 0 ? "any" : "sequential",
    hasGroupIndex: true,
  };
  const misfit = shapeMisfit(base);
  if (misfit !== undefined) return misfit;
  const offer = (layout: WrittenLayout): LayoutOffer => ({
    layout: { ...layout, ...(search ? { search } : {}), ...(act ? { act } : {}) },
    label: `GPTQ-${bits}bit-${groupWord(groupSize, columns)}`,
    requirement: gptqCodec.requirement(layout),
  });
  const [view, ...others] = views;
  return view !== undefined && others.length === 0 && keepsOwnGroups(view)
    ? [offer(base), offer({ ...base, grouping: "any", groupCount: view.groupCount })]
    : [offer(base)];
}

function shapeMisfit(layout: GptqLayout): Misfit | undefined {
  try {
    checkLayout(layout);
    return undefined;
  } catch (error) {
    if (isCodecError(error)) return misfitOf(error);
    throw error;
  }
}

function misfitOf(error: CodecError): Misfit {
  return { reason: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) };
}

function marlinOffers(
  { rows, columns, views }: WeightRequest,
  { groupSize }: Settings,
): readonly LayoutOffer[] | Misfit {
  const layout: GptqMarlinLayout = {
    rows,
    columns,
    groupSize: groupSize >= columns ? -1 : groupSize,
    groupCount: groupCountOf(columns, groupSize),
    scale: scaleType(views),
  };
  const misfit = tileMisfit({ ...layout, groupSize });
  if (misfit !== undefined) return misfit;
  return [
    {
      layout: { ...layout },
      label: `GPTQ-4bit-${groupWord(groupSize, columns)}-marlin`,
      requirement: gptqMarlinCodec.requirement(layout),
    },
  ];
}

function tileMisfit({ rows, columns, groupSize, groupCount }: GptqMarlinLayout): Misfit | undefined {
  if (rows % 64 === 0 && columns % 16 === 0 && (groupSize <= 0 || columns % groupSize === 0)) {
    return undefined;
  }
  const multiple = groupCount === 1 ? 32 : 64;
  return {
    reason: `a weight of [${rows}, ${columns}] is no whole number of Marlin tiles (rows in ${multiple}s, columns in 16s and in whole groups)`,
  };
}

function encoderOf(layout: PlainLayout): WeightEncoder {
  if (!("bits" in layout)) return marlinEncoder(parseLayout(marlinLayoutSchema, layout, "GPTQ's Marlin"));
  const own = parseLayout(gptqLayoutSchema, layout, "GPTQ");
  checkLayout(own);
  const search = layout["search"] === true;
  return {
    parts: gptqCodec.parts(own),
    requirement: gptqCodec.requirement(own),
    rowMultiple: gptqCodec.rowMultiple(own),
    floats: {
      kind: "view",
      quantize: (values, rows, guide) =>
        quantizeGptq(own, values, rows, search ? { ...guide, search } : { ...guide }),
      usesImportance: true,
      ...(layout["act"] === true ? { groups: "visited" as const } : {}),
      storesViewExactly: true,
    },
    fromView: (view, rowStart, bytes) => gptqCodec.fromView(own, view, rowStart, bytes),
    open: (bytes) => gptqCodec.open(own, bytes),
  };
}

function marlinEncoder(layout: GptqMarlinLayout): WeightEncoder {
  const misfit = tileMisfit(layout);
  if (misfit !== undefined)
    throw new UsageError(`The plan has a layout that does not fit GPTQ: ${misfit.reason}.`);
  const { groupSize, scale, columns } = layout;
  return {
    parts: gptqMarlinCodec.parts(layout),
    requirement: gptqMarlinCodec.requirement(layout),
    rowMultiple: gptqMarlinCodec.rowMultiple(layout),
    floats: {
      kind: "view",
      quantize: (values, rows, { importance } = {}) =>
        quantizeView(values, rows, columns, {
          ...{ bits: 4, groupSize, symmetric: true, scale },
          ...{ search: importance !== undefined, importance },
        }),
      usesImportance: true,
      storesViewExactly: true,
    },
    fromView: (view, rowStart, bytes) => gptqMarlinCodec.fromView(layout, view, rowStart, bytes),
    open: (bytes) => gptqMarlinCodec.open(layout, bytes),
  };
}

function sameStorage(source: LinearLayout, facts: ViewFacts | undefined, layout: PlainLayout): boolean {
  const theirs = gptqLayoutSchema.safeParse(source);
  const ours = gptqLayoutSchema.safeParse(layout);
  if (!theirs.success || !ours.success) {
    const [a, b] = [marlinLayoutSchema.safeParse(source), marlinLayoutSchema.safeParse(layout)];
    return !theirs.success && !ours.success && a.success && b.success && sameMarlin(a.data, b.data);
  }
  if (facts === undefined) return false;
  const [a, b] = [theirs.data, ours.data];
  const groups = facts.groupSize === undefined ? b.grouping === "any" : sameGroups(facts.groupSize, b);
  return (
    a.bits === b.bits &&
    a.groupCount === b.groupCount &&
    a.packing === b.packing &&
    a.packDtype === b.packDtype &&
    a.scale === b.scale &&
    a.hasGroupIndex === b.hasGroupIndex &&
    a.hasZeros === b.hasZeros &&
    a.groupIndex === b.groupIndex &&
    sameZeros(a, b, facts) &&
    (!b.sym || facts.symmetric) &&
    groups
  );
}

const FORMATS: Readonly<Record<string, GptqCheckpointFormat>> = {
  v1: "gptq",
  v2: "gptq_v2",
  planar: "gptq_p",
  marlin: "marlin",
};

function configOf(request: ConfigRequest): TargetConfig {
  const { bits, groupSize: asked, sym, variant } = settingsOf(request.settings);
  const groupSize = describedGroupSize(request.packed, asked);
  const before = sourceConfigOf(request.sourceConfig);
  const irregular = request.packed.filter(({ layout }) => layout["grouping"] === "any");
  const config: GptqConfig = {
    bits,
    groupSize,
    sym,
    descAct: irregular.length > 0,
    staticGroups: before?.staticGroups ?? false,
    checkpointFormat: FORMATS[variant] ?? "gptq",
    packDtype: "int32",
    lmHead: request.packed.some(({ module }) => isHead(module)),
    dynamic: request.left.filter((module) => !isHead(module)).map(leaveRule),
    quantizer: ["requant"],
    trueSequential: before?.trueSequential,
    dampPercent: before?.dampPercent,
    actGroupAware: before?.actGroupAware,
  };
  const json = serializeGptqConfig(config);
  return {
    config: json,
    files: [["quantize_config.json", `${JSON.stringify(json, null, 2)}\n`]],
    findings: groupFindings(irregular, groupSize),
  };
}

/** Findings for groups that the configuration's single group size does not describe. */
function groupFindings(irregular: readonly PackedModule[], groupSize: number): Finding[] {
  const odd = irregular.filter(({ layout }) => {
    const columns = Number(layout["columns"]);
    return Number(layout["groupCount"]) !== groupCountOf(columns, groupSize);
  });
  if (odd.length === 0) return [];
  return [
    {
      code: "own-groups",
      severity: "note",
      message: `${odd.length} weights keep the groups of the source, which only g_idx describes, not group_size (${groupSize}): readers that use g_idx (GPTQModel, transformers) compute the right values, but exllama infers a group size and computes wrong values.`,
    },
  ];
}

function isHead(module: string): boolean {
  return /(?:^|\.)lm_head$/.test(module);
}

function leaveRule(module: string): GptqRule {
  return { pattern: `${module.replaceAll(".", "\\.")}$`, action: "leave", override: {} };
}

function sourceConfigOf(json: unknown): GptqConfig | undefined {
  if (json === undefined) return undefined;
  try {
    return parseGptqConfig(json);
  } catch (error) {
    if (isCodecError(error)) return undefined;
    throw error;
  }
}

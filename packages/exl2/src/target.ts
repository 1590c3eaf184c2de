/** EXL2 as a target, as exllamav2 0.3 writes it: codes and widths by calibration statistics, or by the weights alone. */

import { ConversionError, type Finding, isCodecError, UsageError } from "@requant/core";
import {
  type Arrangement,
  type LinearLayout,
  type PlainLayout,
  parseLayout,
  type TargetSettings,
  type WeightEncoder,
  type WeightRequest,
  type WeightTarget,
  type WordSpec,
} from "@requant/core/format";
import * as z from "zod/mini";
import { allocateExl2, type Exl2Candidate, guidedOptions, measureRecipes, sampleRows } from "./allocate.ts";
import { type Exl2Layout, exl2Codec } from "./codec.ts";
import { type Exl2Config, parseExl2Config, serializeExl2Config } from "./config.ts";
import { packExl2 } from "./integers.ts";
import { packExl2Rows } from "./pack-rows.ts";
import { quantizeExl2 } from "./quantize.ts";
import { type Exl2Recipe, exl2HeadRecipes, exl2Recipes, recipeGroups } from "./recipes.ts";
import { moduleSensitivities } from "./sensitivity.ts";

const layoutSchema: z.ZodMiniType<Exl2Layout> = /* @__PURE__ */ schemaOfLayouts();

function schemaOfLayouts(): z.ZodMiniType<Exl2Layout> {
  const size = z.int().check(z.positive());
  return z.object({
    rows: size,
    columns: size,
    storedRows: size,
    groupCount: size,
    wordRows: size,
    permutation: z.enum(["q_invperm", "q_perm"]),
  });
}

const HEAD = /(?:^|\.)lm_head$/;

const words: readonly WordSpec[] = [
  {
    key: "bits",
    about: "Bits per weight, on average over the decoder's linear layers.",
    words: { kind: "number", suffix: "bpw", least: 2, most: 8.5, decimals: 3 },
    required: true,
    examples: [2.5, 3, 3.5, 4, 4.25, 4.65, 5, 6, 8],
  },
  {
    key: "headBits",
    about: "Bits of lm_head; h16 leaves it in 16 bits.",
    words: { kind: "choice", values: /* @__PURE__ */ headWords() },
    default: 6,
    examples: [6],
  },
];

function headWords(): Record<string, number> {
  const widths = [...Object.keys(exl2HeadRecipes).map(Number), 16];
  return Object.fromEntries(widths.map((bits) => [`h${bits}`, bits]));
}

/** EXL2 as a target. */
export const exl2Target: WeightTarget = {
  words,
  example: "4.25bpw-h6",
  takesGuides: true,
  rounding:
    "Codes are rounded to the nearest one without calibration data, and widths are chosen by the weights, with an importance matrix where one is given: exllamav2 measures activations for both, so the model loses more than one that exllamav2 calibrated.",
  baseName: "output",
  indexed: false,
  head: "always",
  whyNewCodes:
    "EXL2's scales are squares of 1 to 16 times one number per group, so every weight gets a new code",
  sizeSetting: "bits",
  sampling: {
    columnMultiple: 32,
    // copied weights need no new allocation
    isNeeded: ({ bits, headBits }, source) =>
      !(source.format === "exl2" && source.bits === bits && (source.headBits ?? 16) === headBits),
    rowsOf: sampleRows,
    costs(sample, rows, columns, guide) {
      const { errors, energy, output = 0 } = measureRecipes(sample, rows, columns, guide);
      return [...errors, energy, output];
    },
  },
  arrange,
  offers({ module, rows, columns, source }, settings, own) {
    if (settings["copy"] === true && source?.format === "exl2") {
      const layout = layoutSchema.parse(source.layout);
      return [{ layout: { ...layout }, label: "EXL2", requirement: undefined }];
    }
    if (HEAD.test(module) && settings["headBits"] === 16)
      return { reason: "the target leaves the head in 16 bits" };
    if (columns % 32 !== 0) return { reason: `EXL2 packs columns in 32s; ${columns} are not` };
    // stored rows are filled up to whole 32s, and only the vocabulary says how many of a head's are real
    if (rows % 32 !== 0 && !HEAD.test(module)) return { reason: `EXL2 packs rows in 32s; ${rows} are not` };
    const recipe = recipeOf(own ?? {});
    if (recipe === undefined) return { reason: "no mix of widths was chosen for it" };
    return [
      { layout: { ...layoutOf(rows, columns, recipe), ...own }, label: "EXL2", requirement: undefined },
    ];
  },
  sameStorage: (source, _facts, layout) => sameLayout(source, layout),
  encoder: encoderOf,
  // readers go by the tensors: a module that has a plain weight is read as floats, and no key names it
  config({ settings, packed, left }) {
    const head = packed.some(({ module }) => HEAD.test(module));
    const config: Exl2Config = {
      bits: Number(settings["bits"]),
      headBits: head ? Number(settings["headBits"]) : 16,
    };
    return {
      config: serializeExl2Config(config),
      files: [],
      findings: partlyPacked(
        packed.map(({ module }) => module),
        left,
      ),
    };
  },
};

/** Modules that exllamav2 reads as one (attn.py and mlp.py: "Partially quantized attention layer", "… MLP layer"). */
const READ_AS_ONE = /(?:attn|attention|mlp|feed_forward|experts?\.\d+|block_sparse_moe)\.[^.]*$/;
/** A router is read by itself. */
const BY_ITSELF = /\.(?:\w*router|gate|shared_expert_gate)$/;

function partlyPacked(packed: readonly string[], left: readonly string[]): Finding[] {
  const blockOf = (module: string): string => module.slice(0, module.lastIndexOf("."));
  const packedBlocks = new Set(packed.filter((module) => READ_AS_ONE.test(module)).map(blockOf));
  const partly = left.filter((module) => packedBlocks.has(blockOf(module)) && !BY_ITSELF.test(module));
  const blocks = new Set(partly.map(blockOf));
  const [first] = partly;
  if (first === undefined) return [];
  return [
    {
      code: "partly-packed",
      severity: "warning",
      message: `${blocks.size === 1 ? "1 block has" : `${blocks.size} blocks have`} packed and float layers side by side, which exllamav2 refuses to load; the first is ${blockOf(first)}, where ${first} stays in floats.`,
      tensor: `${first}.weight`,
    },
  ];
}

/** Which mix of widths each weight gets, so that the decoder's linears take the asked bits on average. */
function arrange(
  requests: readonly WeightRequest[],
  settings: TargetSettings,
  sourceConfig: unknown,
): Arrangement {
  if (isSameAllocation(requests, settings, sourceConfig)) return { settings: { ...settings, copy: true } };
  const byModule = new Map<string, PlainLayout>();
  const decoder = requests.filter(
    ({ module, rows, columns }) => !HEAD.test(module) && columns % 32 === 0 && rows % 32 === 0,
  );
  if (decoder.some(({ costs }) => costs === undefined)) {
    throw new UsageError(
      "An EXL2 plan needs measurements of the weights: make the plan with planConversion.",
    );
  }
  try {
    allocateExl2(candidatesOf(decoder), Number(settings["bits"])).forEach((recipe, index) => {
      byModule.set(decoder[index]?.module ?? "", { recipe });
    });
  } catch (cause) {
    if (!isCodecError(cause)) throw cause;
    throw new ConversionError(cause.message, { hint: "Ask for more bits per weight.", cause });
  }
  for (const { module } of requests) {
    if (HEAD.test(module)) byModule.set(module, { headRecipe: Number(settings["headBits"]) });
  }
  return { settings, byModule };
}

/**
 * Relative errors, each times how much it counts where the weight stands. Where nothing is known of a layer's inputs, errors
 * count as much as the weight has numbers: KL at 4 bits of golden/kjv is then 0.0154, and 0.0208 with equal counts.
 */
function candidatesOf(requests: readonly WeightRequest[]): Exl2Candidate[] {
  const [energyAt, outputAt] = [exl2Recipes.length, exl2Recipes.length + 1];
  const modules = requests.map(({ module, costs = [] }) => {
    const output = costs[outputAt] ?? 0;
    return { module, output: output > 0 ? output : undefined };
  });
  const factors = moduleSensitivities(modules);
  const mean = requests.reduce((sum, { rows, columns }) => sum + rows * columns, 0) / requests.length;
  return requests.map(({ rows, columns, costs = [] }, index) => {
    const energy = costs[energyAt] ?? 0;
    const factor = modules[index]?.output === undefined ? (rows * columns) / mean : factors[index]!;
    return {
      rows,
      columns,
      costs: exl2Recipes.map((_, recipe) => (energy > 0 ? ((costs[recipe] ?? 0) * factor) / energy : 0)),
    };
  });
}

/** True where the source is EXL2 and claims exactly the requested bits. */
function isSameAllocation(
  requests: readonly WeightRequest[],
  settings: TargetSettings,
  sourceConfig: unknown,
): boolean {
  const decoder = requests.filter(({ module }) => !(HEAD.test(module) && settings["headBits"] === 16));
  if (decoder.length === 0 || decoder.some(({ source }) => source?.format !== "exl2")) return false;
  try {
    const { bits, headBits = 16 } = parseExl2Config(sourceConfig);
    return bits === settings["bits"] && headBits === settings["headBits"];
  } catch (error) {
    if (isCodecError(error)) return false;
    throw error;
  }
}

function recipeOf(layout: PlainLayout): Exl2Recipe | undefined {
  const { recipe, headRecipe } = layout;
  if (typeof headRecipe === "number") return exl2HeadRecipes[headRecipe];
  return typeof recipe === "number" ? exl2Recipes[recipe] : undefined;
}

function layoutOf(rows: number, columns: number, recipe: Exl2Recipe): Exl2Layout {
  const groups = recipeGroups(recipe, columns);
  return {
    rows,
    columns,
    storedRows: Math.ceil(rows / 32) * 32,
    groupCount: groups.length,
    wordRows: groups.reduce((sum, group) => sum + (group.bits * group.rows) / 32, 0),
    permutation: "q_invperm",
  };
}

function sameLayout(source: LinearLayout, layout: PlainLayout): boolean {
  // a recipe always means new codes
  if (recipeOf(layout) !== undefined) return false;
  const [a, b] = [layoutSchema.safeParse(source), layoutSchema.safeParse(layout)];
  return a.success && b.success && JSON.stringify(a.data) === JSON.stringify(b.data);
}

function encoderOf(layout: PlainLayout): WeightEncoder {
  const own = parseLayout(layoutSchema, layout, "EXL2");
  const recipe = recipeOf(layout);
  const refuse = (): never => {
    throw new UsageError("EXL2 chooses its codes from whole weights of floats.");
  };
  return {
    parts: exl2Codec.parts(own),
    requirement: undefined,
    rowMultiple: 32,
    floats: {
      kind: "whole",
      uses: ["importance", "statistics"],
      async packRows(source, guide = {}) {
        const { importance, factor } = guidedOptions(guide);
        // error feedback moves errors along whole rows, group after group
        if (recipe === undefined || factor !== undefined) return undefined;
        return packExl2Rows({ rows: own.rows, columns: own.columns, importance, source }, recipe);
      },
      pack(values, guide = {}) {
        if (recipe === undefined) return refuse();
        return packExl2(quantizeExl2(values, own.rows, own.columns, recipe, guidedOptions(guide))).bytes;
      },
    },
    fromView: refuse,
    open: (bytes) => exl2Codec.open(own, bytes),
  };
}

/** AWQ as a target: as AutoAWQ and llm-awq write it, but in safetensors. */
import { type Finding, isCodecError, UsageError } from "@requant/core";
import {
  groupCountOf,
  groupSizeWord,
  groupWord,
  type PlainLayout,
  parseLayout,
  scaleType,
  type WeightEncoder,
  type WeightTarget,
  type WordSpec,
} from "@requant/core/format";
import * as z from "zod/mini";
import { searchScales } from "./calibrate/search-scales.ts";
import { awqCodec, storesOffsets } from "./codec.ts";
import { type AwqVersion, serializeAwqConfig } from "./config.ts";
import type { AwqLayout } from "./packing.ts";
import { quantizeAwq } from "./quantize.ts";

const VERSIONS: readonly AwqVersion[] = ["gemm", "gemv", "gemv_fast", "marlin", "llm-awq"];

const layoutSchema: z.ZodMiniType<AwqLayout> = /* @__PURE__ */ schemaOfLayouts();

function schemaOfLayouts(): z.ZodMiniType<AwqLayout> {
  const size = z.int().check(z.positive());
  return z.object({
    version: z.enum(["gemm", "gemv", "gemv_fast", "marlin", "llm-awq"]),
    rows: size,
    columns: size,
    groupCount: size,
    groupSize: z.int(),
    scale: z.enum(["F16", "BF16", "F32"]),
  });
}

function versionOf(word: unknown): AwqVersion {
  return VERSIONS.find((version) => version === word) ?? "gemm";
}

const words: readonly WordSpec[] = [
  {
    key: "version",
    about: "How the codes are laid out for the kernel that multiplies them.",
    words: { kind: "choice", values: /* @__PURE__ */ versionWords() },
    default: "gemm",
    examples: VERSIONS,
  },
  groupSizeWord,
  // every version has 4 bits; the word is accepted because model names contain it
  { key: "bits", about: "AWQ has 4 bits.", words: { kind: "number", suffix: "bit", least: 4, most: 4 } },
  {
    key: "sym",
    about: "Marlin is symmetric; all others have zero points.",
    words: { kind: "choice", values: { sym: true, asym: false } },
  },
];

function versionWords(): Record<string, AwqVersion> {
  return Object.fromEntries(VERSIONS.map((version) => [version, version]));
}

/** AWQ as a target. */
export const awqTarget: WeightTarget = {
  words,
  example: "gemm-128g",
  takesGuides: true,
  rounding:
    "Codes are rounded to the nearest one, without calibration data: the channel scales that AWQ searches by activations are not searched, so the model loses more than one that AWQ calibrated.",
  settle({ version = "gemm", groupSize = 128, sym }) {
    const isMarlin = version === "marlin";
    if (sym !== undefined && sym !== isMarlin) {
      throw new UsageError(`AWQ ${version} is ${isMarlin ? "symmetric" : "asymmetric"}.`, {
        hint: isMarlin ? "Leave out asym." : "Leave out sym, or write marlin.",
      });
    }
    return { version, groupSize };
  },
  baseName: "model",
  indexed: true,
  head: "never",
  offers({ rows, columns, views }, settings) {
    const asked = Number(settings["groupSize"]);
    // "colg" is one group of all columns; AutoAWQ's classes have no −1
    const groupSize = asked === -1 || asked >= columns ? columns : asked;
    const version = versionOf(settings["version"]);
    const layout: AwqLayout = {
      version,
      rows,
      columns,
      groupSize,
      groupCount: groupCountOf(columns, groupSize),
      scale: storesOffsets(version) ? "F16" : scaleType(views),
    };
    try {
      awqCodec.parts(layout);
    } catch (error) {
      if (!isCodecError(error)) throw error;
      return { reason: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) };
    }
    return [
      {
        layout: { ...layout },
        label: `AWQ-${version}-${groupWord(groupSize, columns)}`,
        requirement: awqCodec.requirement(layout),
      },
    ];
  },
  sameStorage(source, _facts, layout) {
    const [a, b] = [layoutSchema.safeParse(source), layoutSchema.safeParse(layout)];
    if (!a.success || !b.success) return false;
    return (
      a.data.version === b.data.version &&
      a.data.rows === b.data.rows &&
      a.data.columns === b.data.columns &&
      a.data.groupCount === b.data.groupCount &&
      a.data.scale === b.data.scale
    );
  },
  encoder: encoderOf,
  inputScales({ layers, settings, sharedColumn }) {
    const columns = layers[0]?.statistics.columns ?? 0;
    const asked = Number(settings["groupSize"]);
    // weights that no group size fits stay in floats
    const groupSize = asked === -1 || asked >= columns ? -1 : asked;
    if (groupSize !== -1 && columns % groupSize !== 0) return new Float32Array(columns).fill(1);
    const symmetric = versionOf(settings["version"]) === "marlin";
    return searchScales(layers, { groupSize, symmetric, sharedColumn }).scales;
  },
  config({ settings, packed, left }) {
    const version = versionOf(settings["version"]);
    // lm_head is always in floats
    const marked = left.filter((module) => !/(?:^|\.)lm_head$/.test(module));
    const swallowed = marked.filter((part) => packed.some(({ module }) => module.includes(part)));
    return {
      config: serializeAwqConfig({
        bits: 4,
        groupSize: Number(settings["groupSize"]),
        zeroPoint: version !== "marlin",
        version,
        modulesToNotConvert: marked.filter((module) => !swallowed.includes(module)),
      }),
      files: [],
      // the kernels compute in half precision, and AutoAWQ writes this dtype
      dtype: packed.every(({ layout }) => layout["scale"] === "F16") ? "float16" : undefined,
      findings: swallowedFindings(swallowed),
    };
  },
};

/** An entry of `modules_to_not_convert` is a part of a name: one that fits a packed module too would unpack that. */
function swallowedFindings(swallowed: readonly string[]): Finding[] {
  const [first] = swallowed;
  if (first === undefined) return [];
  return [
    {
      code: "left-in-floats",
      severity: "note",
      message: `The configuration cannot name ${swallowed.length === 1 ? "1 module" : `${swallowed.length} modules`} that stay in floats, the first is ${first}: their names are parts of names of packed modules. Readers must know that they are no quantized layers.`,
      tensor: `${first}.weight`,
    },
  ];
}

function encoderOf(layout: PlainLayout): WeightEncoder {
  const own = parseLayout(layoutSchema, layout, "AWQ");
  return {
    parts: awqCodec.parts(own),
    requirement: awqCodec.requirement(own),
    rowMultiple: awqCodec.rowMultiple(own),
    floats: {
      kind: "view",
      quantize: (values, rows, guide) => quantizeAwq(own, values, rows, guide?.importance),
      usesImportance: true,
      storesViewExactly: !storesOffsets(own.version),
    },
    fromView: (view, rowStart, bytes) => awqCodec.fromView(own, view, rowStart, bytes),
    open: (bytes) => awqCodec.open(own, bytes),
  };
}

import { type AwqLayout, type AwqVersion, awqCodec, quantizeAwq, serializeAwqConfig } from "@requant/awq";
import { isCodecError } from "@requant/core";
import * as z from "zod/mini";
import { groupWord } from "../model/linear-weight.ts";
import type { LinearTarget, PlainLayout, WeightEncoder } from "./linear-target.ts";
import { groupCountOf, integerWords, scaleType } from "./target-words.ts";

const VERSIONS: readonly AwqVersion[] = ["gemm", "gemv", "gemv_fast", "marlin", "llm-awq"];

const layoutSchema: z.ZodMiniType<AwqLayout> = z.object({
  version: z.enum(["gemm", "gemv", "gemv_fast", "marlin", "llm-awq"]),
  rows: z.int().check(z.positive()),
  columns: z.int().check(z.positive()),
  groupCount: z.int().check(z.positive()),
  groupSize: z.int(),
  scale: z.enum(["F16", "BF16", "F32"]),
});

function versionOf(word: unknown): AwqVersion {
  return VERSIONS.find((version) => version === word) ?? "gemm";
}

/** AWQ as AutoAWQ and llm-awq write it, but in safetensors. */
export const awqTarget: LinearTarget = {
  name: "awq",
  example: "awq:gemm-128g",
  baseName: "model",
  indexed: true,
  head: "never",
  allowed: () =>
    VERSIONS.flatMap((version) => ["32g", "64g", "128g", "colg"].map((group) => `${version}-${group}`)),
  parse(tokens) {
    // "llm-awq" holds the mark that separates words
    const joined = tokens.join("-").replace("llm-awq", "llm_awq").split("-");
    const words = integerWords(joined.filter((word) => word !== ""));
    if (words === undefined || (words.bits ?? 4) !== 4 || words.rest.length > 1) return undefined;
    const [word = "gemm"] = words.rest;
    const version = VERSIONS.find((candidate) => candidate === word.replace("llm_awq", "llm-awq"));
    // zero points are what tells the others from Marlin
    if (version === undefined || (words.sym ?? version === "marlin") !== (version === "marlin"))
      return undefined;
    return { version, groupSize: words.groupSize ?? 128 };
  },
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
      scale: scaleType(views),
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
  config({ settings, packed, left }) {
    const version = versionOf(settings["version"]);
    const marked = left.filter((module) => !/(?:^|\.)lm_head$/.test(module));
    return {
      config: serializeAwqConfig({
        bits: 4,
        groupSize: Number(settings["groupSize"]),
        zeroPoint: version !== "marlin",
        version,
        modulesToNotConvert: marked,
      }),
      files: [],
      // the kernels compute in half precision, and AutoAWQ says so
      dtype: packed.every(({ layout }) => layout["scale"] === "F16") ? "float16" : undefined,
      notes: [],
    };
  },
};

function encoderOf(layout: PlainLayout): WeightEncoder {
  const own = layoutSchema.parse(layout);
  return {
    parts: awqCodec.parts(own),
    requirement: awqCodec.requirement(own),
    rowMultiple: awqCodec.rowMultiple(own),
    storesViewExactly: own.version !== "gemv_fast" && own.version !== "llm-awq",
    quantize: (values, rows) => quantizeAwq(own, values, rows),
    fromView: (view, rowStart, bytes) => awqCodec.fromView(own, view, rowStart, bytes),
    open: (bytes) => awqCodec.open(own, bytes),
  };
}

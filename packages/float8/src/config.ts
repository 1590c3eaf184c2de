import type { ErrorPlace } from "@requant/core";
import { parseConfig } from "@requant/core/format";
import * as z from "zod/mini";

/** What a quantization configuration says about FP8 weights. The tensors have the last word. */
export interface Float8Config {
  /** Rows and columns of a block; undefined where a scale belongs to a row or to a whole weight, or where nothing is said. */
  readonly blockSize?: readonly [rows: number, columns: number] | undefined;
  /** Modules that are left in floats: names, or ends of names. */
  readonly left: readonly string[];
}

/** What is written. */
export interface Float8WrittenConfig {
  readonly blockSize: readonly [rows: number, columns: number];
  /** True where every scale is a power of two. */
  readonly powersOfTwo: boolean;
  readonly left: readonly string[];
}

/** Made by a function, so that a bundle without the parser has no schema. */
const schema = /* @__PURE__ */ schemaOfConfigs();

function schemaOfConfigs() {
  const side = z.int().check(z.positive());
  const names = z.nullish(z.array(z.string()));
  return z.looseObject({
    weight_block_size: z.nullish(z.tuple([side, side])),
    // transformers, vLLM, ModelOpt's two files
    modules_to_not_convert: names,
    ignored_layers: names,
    exclude_modules: names,
    ignore: names,
  });
}

/** Parses the configuration of any tool that writes FP8. @throws FormatError that names the wrong field */
export function parseFloat8Config(json: unknown, place: ErrorPlace = {}): Float8Config {
  const config = parseConfig(schema, json, "an FP8 configuration", place);
  const { weight_block_size: blockSize, ...lists } = config;
  const { modules_to_not_convert, ignored_layers, exclude_modules, ignore } = lists;
  return {
    ...(blockSize ? { blockSize } : {}),
    left: [modules_to_not_convert, ignored_layers, exclude_modules, ignore].flatMap((list) => list ?? []),
  };
}

/** The object for `quantization_config` of config.json, with the keys of transformers' `FineGrainedFP8Config`. */
export function serializeFloat8Config({
  blockSize,
  powersOfTwo,
  left,
}: Float8WrittenConfig): Record<string, unknown> {
  return {
    activation_scheme: "dynamic",
    fmt: "e4m3",
    modules_to_not_convert: [...left],
    quant_method: "fp8",
    ...(powersOfTwo ? { scale_fmt: "ue8m0" } : {}),
    weight_block_size: [...blockSize],
  };
}

/**
 * True where the configuration leaves a module in floats: its own name, or the end of it, is listed. Entries with
 * wildcards are not understood, and leave nothing.
 */
export function leavesModule({ left }: Float8Config, module: string): boolean {
  return left.some((name) => module === name || module.endsWith(`.${name}`));
}

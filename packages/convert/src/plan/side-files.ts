/** A directory's other files, with a config.json that says what the weights have become. */

import type { Finding } from "@requant/core";
import { weightFormats } from "../formats.ts";
import { finding } from "../model/findings/finding.ts";
import {
  methodName,
  quantizationFiles,
  quantizationPlaces,
  quantMethods,
} from "../model/quantization-config.ts";
import { stringifyLike } from "./json-spelling.ts";
import type { PlanSource } from "./plan.ts";

const METHODS = quantMethods(weightFormats);

/** Files that say how weights are packed, besides config.json. */
const PACKING_FILES: readonly string[] = [
  ...quantizationFiles(METHODS).map(({ name }) => name),
  ...METHODS.flatMap(({ toolFiles }) => toolFiles ?? []),
];

export type SideFileContent = readonly [name: string, content: string | Uint8Array];

/**
 * The files of a float model, without the source's quantization configuration: it is true of packed weights only, and a
 * runtime would look for those. One that a reader needed and did not understand never comes here: such a source is refused.
 * `dtype`, where given, replaces the value that config.json has
 * under the key it uses; the rest of the file stays as its author wrote it.
 * @param repacked true where the output gets a configuration of its own: any other one would contradict it
 */
export function floatSideFiles(
  source: PlanSource,
  dtype: string | undefined,
  repacked = false,
): SideFileContent[] {
  const unpacked = repacked || source.quantization !== undefined;
  return [...(source.sideFiles ?? [])].flatMap(([name, bytes]): SideFileContent[] => {
    if (unpacked && PACKING_FILES.includes(name)) return [];
    if (name !== "config.json") return [[name, bytes]];
    const text = typedConfig(new TextDecoder().decode(bytes), dtype);
    return [[name, unpacked ? withoutQuantization(text) : text]];
  });
}

/** Says which configuration a float model loses although no reader has used it: all weights were floats before. */
export function staleConfigFindings({ quantization }: PlanSource): Finding[] {
  if (quantization === undefined || quantization.used) return [];
  const method = methodName(quantization) ?? "no method";
  return [
    finding(
      "quantization-config",
      `The quantization configuration of the source (${method}) is not written: all weights are plain floats, and runtimes would look for packed ones.`,
      { path: quantization.path },
      "Nothing needs to be done for the output; copy the configuration by hand if a runtime is to quantize while it loads.",
    ),
  ];
}

function typedConfig(text: string, dtype: string | undefined): string {
  if (dtype === undefined) return text;
  return text.replace(/("(?:torch_dtype|dtype)"\s*:\s*)"[^"]*"/g, `$1"${dtype}"`);
}

function withoutQuantization(text: string): string {
  if (quantizationPlaces(JSON.parse(text), METHODS).length === 0) return text;
  return editedConfig(text, (config) => {
    for (const { owner, key } of quantizationPlaces(config, METHODS)) Reflect.deleteProperty(owner, key);
  });
}

/**
 * The same JSON after `edit`, with the indentation and the spelling of numbers that it had. The text was parsed when the model
 * was opened.
 */
export function editedConfig(text: string, edit: (config: Record<string, unknown>) => void): string {
  const config = JSON.parse(text) as Record<string, unknown>;
  edit(config);
  const indent = /^\{\r?\n?([ \t]+)"/.exec(text.trimStart())?.[1] ?? 2;
  return `${stringifyLike(text, config, indent)}\n`;
}

/** A directory's other files, with a config.json that says what the weights have become. */
import type { PlanSource } from "./plan.ts";

/** Files that say how weights are packed, besides config.json. */
const QUANTIZATION_FILES: readonly string[] = [
  "quantize_config.json",
  "quant_config.json",
  "quant_log.csv",
  "job_new.json",
  "measurement.json",
];

export type SideFileContent = readonly [name: string, content: string | Uint8Array];

/**
 * The files of a float model: nothing says that its weights are packed. `dtype`, where given, replaces the value that
 * config.json has under the key it uses; the rest of the file stays as its author wrote it.
 */
export function floatSideFiles(source: PlanSource, dtype: string | undefined): SideFileContent[] {
  return [...(source.sideFiles ?? [])].flatMap(([name, bytes]): SideFileContent[] => {
    if (QUANTIZATION_FILES.includes(name)) return [];
    if (name !== "config.json") return [[name, bytes]];
    return [[name, floatConfig(new TextDecoder().decode(bytes), dtype)]];
  });
}

function floatConfig(text: string, dtype: string | undefined): string {
  const typed =
    dtype === undefined ? text : text.replace(/("(?:torch_dtype|dtype)"\s*:\s*)"[^"]*"/g, `$1"${dtype}"`);
  if (!/"(?:quantization_config|compression_config)"\s*:/.test(typed)) return typed;
  return editedConfig(typed, (config) => {
    delete config["quantization_config"];
    delete config["compression_config"];
  });
}

/** The same JSON after `edit`, with the indentation it had. The text was parsed when the model was opened. */
export function editedConfig(text: string, edit: (config: Record<string, unknown>) => void): string {
  const config = JSON.parse(text) as Record<string, unknown>;
  edit(config);
  const indent = /^\{\r?\n?([ \t]+)"/.exec(text.trimStart())?.[1] ?? 2;
  return `${JSON.stringify(config, null, indent)}\n`;
}

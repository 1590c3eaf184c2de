/** The sizes that a config.json states, as GGUF's keys, whatever tensors are beside it. */
import { isCodecError, type Metadata, type MetadataValue } from "@requant/core";
import type { ParameterRule } from "../architectures/architecture.ts";
import { architectureOfConfig } from "../architectures/index.ts";
import { textParameters } from "../architectures/parameters.ts";
import { Config, resolveConfig } from "../config.ts";
import { type HfFiles, textConfig } from "../hf-files.ts";
import { string } from "../metadata-values.ts";

/** By the family's own rules, or by those of most families where the class is unknown. Keys without a usable value are missing. */
export function configMetadata(files: HfFiles): Metadata {
  const { name, parameters, config } = rulesFor(files);
  const metadata = new Map<string, MetadataValue>([["general.architecture", string(name)]]);
  const context = { fileType: 0, hfNames: new Set(files.tensors.map((tensor) => tensor.name)) };
  for (const { key, toGguf } of parameters) {
    const value = ifUsable(() => toGguf(config, context));
    if (value !== undefined) metadata.set(key.replace(/^~/, name), value);
  }
  return metadata;
}

interface Rules {
  readonly name: string;
  readonly parameters: readonly ParameterRule[];
  readonly config: Config;
}

function rulesFor(files: HfFiles): Rules {
  const own = ifUsable((): Rules => {
    const architecture = architectureOfConfig(files.config, files);
    const settings = { ...files.config, ...architecture.facts?.(files) };
    const { name, parameters } = architecture;
    return { name, parameters, config: resolveConfig(settings, architecture) };
  });
  const config = new Config(new Map(Object.entries(textConfig(files.config))));
  return own ?? { name: "unknown", parameters: textParameters, config };
}

function ifUsable<T>(value: () => T): T | undefined {
  try {
    return value();
  } catch (error) {
    if (isCodecError(error)) return undefined;
    throw error;
  }
}

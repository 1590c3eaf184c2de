/** The list of projectors. */
import { ConversionError, type Metadata } from "@requant/core";
import { field, type JsonObject } from "../json.ts";
import { stringOf } from "../metadata-values.ts";
import { gemma3 } from "./gemma3.ts";
import { gemma4 } from "./gemma4.ts";
import { glm4v } from "./glm4v.ts";
import { idefics3 } from "./idefics3.ts";
import { internvl } from "./internvl.ts";
import { lfm2Vl } from "./lfm2-vl.ts";
import { llama4 } from "./llama4.ts";
import { pixtral } from "./pixtral.ts";
import type { Projector } from "./projector.ts";
import { qwen2Vl, qwen25Omni, qwen25Vl } from "./qwen-vl.ts";
import { qwen3Vl } from "./qwen3-vl.ts";
import { qwen2Audio, ultravox, voxtral } from "./whisper.ts";

/** All projectors that are converted. */
export const projectors: readonly Projector[] = [
  gemma3,
  gemma4,
  glm4v,
  idefics3,
  internvl,
  lfm2Vl,
  llama4,
  pixtral,
  qwen2Audio,
  qwen2Vl,
  qwen25Omni,
  qwen25Vl,
  qwen3Vl,
  ultravox,
  voxtral,
];

/** The projector of a config.json; undefined where none is known for its class. */
export function findProjector(config: JsonObject): Projector | undefined {
  const value = field(config, "architectures");
  const names = Array.isArray(value) ? value : [];
  return projectors.find(
    ({ classes, claims }) =>
      names.some((name) => typeof name === "string" && classes.includes(name)) && (claims?.(config) ?? true),
  );
}

/** @throws ConversionError when no projector is known for the class */
export function projectorOfConfig(config: JsonObject): Projector {
  const found = findProjector(config);
  if (found !== undefined) return found;
  const names = field(config, "architectures");
  const known = Array.isArray(names) && names.length > 0 ? names.join(", ") : "a config.json without a class";
  throw new ConversionError(`No vision or audio projector is known for ${known}.`, {
    path: "config.json",
    hint: `Known are those of ${projectors.flatMap(({ classes }) => classes).join(", ")}.`,
  });
}

/** @throws ConversionError when the file names no projector that is known */
export function projectorOfGguf(metadata: Metadata): Projector {
  const type = stringOf(metadata.get("clip.projector_type") ?? metadata.get("clip.vision.projector_type"));
  const found = projectors.find((projector) => projector.type === type);
  if (found !== undefined) return found;
  throw new ConversionError(
    `No Hugging Face layout is known for the projector ${type ?? "without a type"}.`,
    {
      hint: `Known are ${projectors.map((projector) => projector.type).join(", ")}. The file can still be requantized as GGUF.`,
    },
  );
}

/** The words that files of models use for what this program knows. */
import { foreignMethods } from "@requant/core/format";
import {
  architectures,
  knownArchitectures,
  knownPreTokenizers,
  knownRopeScalings,
  knownTokenizers,
  projectors,
} from "@requant/models";
import { weightFormats } from "../formats.ts";

/** Classes and types of model families, names of GGUF architectures, tokenizers, rope scalings and methods of quantization. */
export function knownModelWords(): ReadonlySet<string> {
  const words = new Set([
    ...knownArchitectures,
    ...knownTokenizers,
    ...knownPreTokenizers,
    ...knownRopeScalings,
    ...projectors.flatMap(({ classes }) => classes),
  ]);
  for (const { name, classes, modelType, wrapper } of architectures) {
    for (const word of [name, modelType, wrapper?.textType, ...classes])
      if (word !== undefined) words.add(word);
  }
  const methods = [...weightFormats.flatMap((format) => format.methods), ...foreignMethods];
  for (const { names } of methods) for (const word of names) words.add(word);
  return words;
}

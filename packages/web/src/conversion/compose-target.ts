import type { TargetDescription } from "@requant/convert";
import type { TargetParts } from "../host/methods/targets.ts";

/** The target after one of its words was chosen. Words that stand alone go when another is chosen, and drive out all others. */
export function withWord(
  { name, words: specs }: TargetDescription,
  { words: before }: TargetParts,
  key: string,
  word: string,
): TargetParts {
  const isAlone = (one: string): boolean => specs.find((spec) => spec.key === one)?.alone === true;
  const replacesAll = isAlone(key) && word !== "";
  const words = Object.fromEntries(
    specs.flatMap((spec): [string, string][] => {
      if (spec.key === key) return word === "" ? [] : [[key, word]];
      const kept = before[spec.key] ?? spec.preset;
      return replacesAll || isAlone(spec.key) || kept === undefined ? [] : [[spec.key, kept]];
    }),
  );
  return { format: name, text: Object.values(words).join("-"), words };
}

/** Several targets in one text. */
import { isCodecError, UsageError } from "@requant/core";
import { bounded } from "@requant/core/text";
import type { Format } from "../format.ts";
import type { Target } from "../plan.ts";
import { parseTarget } from "../target.ts";
import { targetFormats } from "../target-formats.ts";

/**
 * Parses targets that are separated by commas: `gguf:q4_k_m,q5_k_m,q8_0`. Words without a format are first understood as those
 * of the format before them.
 * @throws UsageError as `parseTarget`, and for a target that is named twice
 * @example
 * import { parseTargets } from "@requant/convert";
 *
 * parseTargets("gguf:q4_k_m,q8_0,safetensors:bf16").map(({ text }) => text); // "gguf:q4_k_m", "gguf:q8_0", …
 */
export function parseTargets(text: string, list: readonly Format[] = targetFormats): Target[] {
  const targets: Target[] = [];
  const words = text.split(",");
  for (const [index, word] of words.entries()) {
    if (word.trim() === "" && words.length > 1) {
      throw new UsageError(`A target is missing ${gapAt(index, words.length)} of "${bounded(text, 80)}".`, {
        hint: "Write targets such as gguf:q4_k_m,gguf:q8_0.",
      });
    }
    const target = parseNext(word, targets.at(-1), list);
    const same = targets.find((other) => isSame(other, target));
    if (same !== undefined) {
      const also = same.text === target.text ? "" : `, also as ${same.text}`;
      throw new UsageError(`The target ${target.text} is named twice${also}.`, { hint: "Name it once." });
    }
    targets.push(target);
  }
  return targets;
}

function gapAt(index: number, count: number): string {
  if (index === 0) return "before the first comma";
  return index === count - 1 ? "after the last comma" : "between two commas";
}

function parseNext(word: string, before: Target | undefined, list: readonly Format[]): Target {
  if (before === undefined || word.includes(":")) return parseTarget(word, list);
  try {
    return parseTarget(`${before.format}:${word.trim()}`, list);
  } catch (error) {
    if (!isCodecError(error)) throw error;
    return parseTarget(word, list);
  }
}

function isSame(a: Target, b: Target): boolean {
  return a.format === b.format && JSON.stringify(a.settings) === JSON.stringify(b.settings);
}

import {
  cacheTypeNames,
  describeTargets,
  listSizedTargets,
  listTargets,
  parseTarget,
  type TargetDescription,
  targetWords,
} from "@requant/convert";
import { isCodecError } from "@requant/core";

/** All that a model can be converted to. */
export interface Targets {
  readonly formats: readonly TargetDescription[];
  /** Every target in its canonical spelling. */
  readonly spellings: readonly string[];
  readonly cacheTypes: readonly string[];
}

export async function targets(_input: object): Promise<Targets> {
  return {
    formats: describeTargets(),
    spellings: [...new Set([...listTargets(), ...listSizedTargets()])],
    cacheTypes: cacheTypeNames,
  };
}

/** A target that was typed, taken apart. */
export interface TargetParts {
  readonly format: string;
  /** What stands after the colon. */
  readonly text: string;
  readonly words: Readonly<Record<string, string>>;
}

/** Undefined for a text that is no target, or not yet. */
export async function targetParts(text: string): Promise<TargetParts | undefined> {
  try {
    const target = parseTarget(text);
    return {
      format: target.format,
      text: target.text.slice(target.format.length + 1),
      words: targetWords(target),
    };
  } catch (error) {
    if (isCodecError(error)) return undefined;
    throw error;
  }
}

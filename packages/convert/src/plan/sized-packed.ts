/** Packed directories of a size that was asked for: the bits per weight are as many as it allows. */
import { ConversionError, UsageError } from "@requant/core";
import {
  type NumberWords,
  parseWords,
  spellWords,
  type TargetSettings,
  type WeightTarget,
  type WordSpec,
} from "@requant/core/format";
import { finding } from "../model/findings/finding.ts";
import type { PlannedOutput } from "./format.ts";
import type { Target } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";

/** What stands in the place of the bits. */
const AUTO = "auto";

/** The words of a target, of which "auto" may stand first in place of the bits. */
export function parseSizedWords({ words, sizeSetting }: WeightTarget, text: string): TargetSettings {
  const [first, ...others] = text.split("-");
  if (sizeSetting === undefined || first !== AUTO) return parseWords(words, text);
  const optional = words.map((spec) => (spec.key === sizeSetting ? { ...spec, required: false } : spec));
  const settings = parseWords(optional, others.join("-"));
  if (sizeSetting in settings) {
    throw new UsageError(`The target says bits beside ${AUTO}: ${text}.`, { hint: "Keep one of them." });
  }
  return settings;
}

/** The words for help, where the bits tell what may stand in their place. */
export function describedWords({ words, sizeSetting }: WeightTarget): readonly WordSpec[] {
  return words.map((spec) =>
    spec.key === sizeSetting
      ? {
          ...spec,
          about: `${spec.about} In its place, ${AUTO}: as many as the size that is asked for allows.`,
        }
      : spec,
  );
}

/** @throws UsageError where a target says the bits and a size is asked for, or neither */
export function refuseSizes(
  target: WeightTarget,
  { format, text, settings }: Target,
  { targetSize }: Pick<PlanOptions, "targetSize">,
): void {
  const { sizeSetting, words } = target;
  if (sizeSetting === undefined || sizeSetting in settings === (targetSize === undefined)) return;
  if (targetSize === undefined) {
    throw new UsageError(`The target ${text} does not say how large the output is.`, {
      hint: `Give \`targetSize\`, or the bits: ${format}:${target.example}.`,
    });
  }
  const rest = spellWords(
    words.filter(({ key }) => key !== sizeSetting),
    settings,
  );
  throw new UsageError(`The target ${text} says the bits per weight, and \`targetSize\` chooses them.`, {
    hint: `Give \`targetSize\` with the target ${[`${format}:${AUTO}`, rest].filter((part) => part !== "").join("-")}.`,
  });
}

/**
 * The output of the asked size.
 * @param plan the output with these settings
 * @throws UsageError as `refuseSizes`
 * @throws ConversionError where no number of bits gives the size
 */
export function withAskedSize(
  target: WeightTarget,
  asked: Target,
  options: Pick<PlanOptions, "targetSize">,
  plan: (settings: TargetSettings) => PlannedOutput,
): PlannedOutput {
  refuseSizes(target, asked, options);
  const { targetSize } = options;
  const spec = target.words.find(({ key }) => key === target.sizeSetting);
  if (targetSize === undefined || spec?.words.kind !== "number") return plan(asked.settings);
  const { key, words } = spec;
  const steps: Steps = {
    words,
    scale: 10 ** (words.decimals ?? 0),
    at(bits) {
      const output = plan({ ...asked.settings, [key]: bits });
      const words = spellWords([spec], { [key]: bits });
      const chosen = finding("sized-types", `Widths were chosen for the size that is asked for: ${words}.`);
      return { ...output, findings: [...output.findings, chosen] };
    },
  };
  return "bitsPerWeight" in targetSize
    ? ofBits(targetSize.bitsPerWeight, steps)
    : ofByteLength(targetSize.byteLength, steps);
}

/** The numbers of bits that there are. */
interface Steps {
  readonly words: NumberWords;
  /** So many steps make one bit. */
  readonly scale: number;
  at(bits: number): PlannedOutput;
}

function ofBits(bits: number, { words, scale, at }: Steps): PlannedOutput {
  if (bits >= words.least && bits <= words.most) return at(Math.floor(bits * scale + ROUNDING) / scale);
  throw new ConversionError(
    `There are no mixes of ${bits} bits per weight: from ${words.least} to ${words.most} are possible.`,
    { hint: "Choose a `targetSize` between these." },
  );
}

/** 4.35 × 1000 is a little less than 4350 in floats. */
const ROUNDING = 1e-6;

/** A size may be larger than the largest possible one by this share: rounded numbers of users. */
const SLACK = 0.001;

/** The most bits whose files are not larger; halves the range of what may fit until one step is left. */
function ofByteLength(byteLength: number, { words, scale, at }: Steps): PlannedOutput {
  const largest = at(words.most);
  if (sizeOf(largest) <= byteLength) {
    if (byteLength <= sizeOf(largest) * (1 + SLACK)) return largest;
    throw impossible(byteLength, `the largest possible is ${sizeOf(largest)} bytes`);
  }
  let [low, high] = [Math.ceil(words.least * scale), Math.floor(words.most * scale)];
  let found: PlannedOutput | undefined;
  let smallest = sizeOf(largest);
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const made = possible(() => at(middle / scale));
    if (made !== undefined && sizeOf(made) > byteLength) {
      smallest = Math.min(smallest, sizeOf(made));
      high = middle;
    } else {
      found = made ?? found;
      low = middle + 1;
    }
  }
  if (found === undefined) throw impossible(byteLength, `the smallest possible is ${smallest} bytes`);
  return found;
}

/** Undefined where the smallest widths take more bits. */
function possible(plan: () => PlannedOutput): PlannedOutput | undefined {
  try {
    return plan();
  } catch (error) {
    if (error instanceof ConversionError) return undefined;
    throw error;
  }
}

function sizeOf({ files }: PlannedOutput): number {
  return files.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function impossible(byteLength: number, bound: string): ConversionError {
  return new ConversionError(`No bits per weight give a size of ${byteLength} bytes: ${bound}.`, {
    hint: "Choose another `targetSize`.",
  });
}

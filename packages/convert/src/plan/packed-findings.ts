/** What a plan for a packed directory tells beside its tensors. */
import { ConversionError, type Finding } from "@requant/core";
import { spellWords, type TargetSettings, type WordSpec } from "@requant/core/format";
import { addToGroup } from "../model/add-to-group.ts";
import { finding } from "../model/findings/finding.ts";
import type { PackedRest } from "./packed-requests.ts";
import type { PlanTensor } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import { guideNames } from "./way.ts";

/** Says once that new codes are rounded to nearest, where the format's own tools do more; and once where importance weights the grids. */
export function roundingFindings(
  name: string,
  rounding: string | undefined,
  tensors: readonly PlanTensor[],
  { statistics }: Pick<PlanOptions, "statistics">,
): Finding[] {
  if (rounding === undefined) return [];
  // a layout that cannot be solved with statistics still uses the importance that they hold
  const guide = statistics === undefined ? "an importance matrix" : "the calibration statistics";
  const rounded = tensors.filter(
    (tensor) =>
      tensor.fidelity === "requantized" &&
      tensor.linear !== undefined &&
      guideNames(tensor).statistics === undefined,
  );
  const weighted = rounded.filter((tensor) => guideNames(tensor).importance !== undefined).length;
  const counted: readonly (readonly [count: number, how: string])[] = [
    [
      weighted,
      `The grid of each is weighted by ${guide}, and codes are rounded to the nearest one in it: tools that also make up for the error of each code lose less.`,
    ],
    [rounded.length - weighted, rounding],
  ];
  return counted.flatMap(([count, how]) => {
    if (count === 0) return [];
    const weights = count === 1 ? "1 weight gets new codes" : `${count} weights get new codes`;
    return [finding("rounded-to-nearest", [`${weights} as ${name}.`, how].join(" "))];
  });
}

/** Names words that change only weights with calibration statistics, where no weight has any. */
export function uncalibratedFindings(
  words: readonly WordSpec[],
  settings: TargetSettings,
  tensors: readonly PlanTensor[],
): Finding[] {
  const idle = spellWords(
    words.filter(({ needs }) => needs === "statistics"),
    settings,
  );
  const isCalibrated = (tensor: PlanTensor): boolean => guideNames(tensor).statistics !== undefined;
  if (idle === "" || tensors.some(isCalibrated)) return [];
  return [
    finding(
      "not-used",
      `The word ${idle} of the target changes no weight: none is packed with calibration statistics.`,
      {},
      "Calibrate, or leave it out.",
    ),
  ];
}

/** Reasons that were error messages are sentences. */
export function withoutStop(text: string): string {
  return text.replace(/\.$/, "");
}

/** One for each reason why linear layers are not packed. */
export function leftFindings(left: ReadonlyMap<string, string>): Finding[] {
  const byReason = new Map<string, string[]>();
  for (const [module, reason] of left) addToGroup(byReason, reason, module);
  return [...byReason].map(([reason, modules]) =>
    finding(
      "left-in-floats",
      `${modules.length === 1 ? "1 linear layer stays" : `${modules.length} linear layers stay`} in floats, the first is ${modules[0]}: ${withoutStop(reason)}.`,
    ),
  );
}

/** The refusal of a model of which nothing can be packed, with the first reason. */
export function nothingPacked(name: string, left: ReadonlyMap<string, string>): ConversionError {
  const [module, reason] = [...left][0] ?? [];
  return new ConversionError(
    module === undefined
      ? `There are no linear layers that ${name} could pack.`
      : `None of ${left.size} linear layers can be packed as ${name}: ${withoutStop(reason ?? "")}.`,
    { tensor: module, hint: `Choose a target other than ${name}, such as a GGUF type or floats.` },
  );
}

/** What is told of the linear layers that a packed source stores in floats. */
export function restFindings({ kept, isUnused }: PackedRest): Finding[] {
  const [first] = kept;
  if (first !== undefined) {
    const these = kept.length === 1 ? "1 linear layer stays" : `${kept.length} linear layers stay`;
    const stores = `as the source stores ${kept.length === 1 ? "it" : "them"}; the first is ${first}`;
    return [
      finding(
        "left-in-floats",
        `${these} in floats, ${stores}.`,
        { tensor: `${first}.weight` },
        "Give `requantizeRest` to quantize such layers too.",
      ),
    ];
  }
  return isUnused
    ? [finding("not-used", "`requantizeRest` changes nothing: no linear layer is left in floats.")]
    : [];
}

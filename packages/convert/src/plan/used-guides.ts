/** What of the guides that were given a plan uses, and what it tells of the rest. */
import { unreachedExperts } from "@requant/calibrate";
import { type Finding, UsageError } from "@requant/core";
import type { WeightEncoder, WeightTarget } from "@requant/core/format";
import { largestCode } from "@requant/core/solve";
import { finding } from "../model/findings/finding.ts";
import { parseEntry } from "../model/guide-entry.ts";
import type { StatisticsIndex, StatisticsSize } from "../model/statistics-file.ts";
import type { Guides } from "./guides.ts";
import type { PlanTensor } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import { type GuideNames, guideNames, isGuided } from "./way.ts";

/** The guides that an encoder uses for floats. */
export function usedGuides({ importance, statistics }: GuideNames, encoder: WeightEncoder): GuideNames {
  const { floats } = encoder;
  if (floats.kind === "rows") return {};
  if (floats.kind === "view") {
    const usesImportance = floats.usesImportance === true;
    // error feedback must know the largest code
    if (statistics === undefined || largestCode(encoder) !== undefined)
      return { importance: usesImportance ? importance : undefined, statistics };
    return usesImportance ? { importance: statistics } : {};
  }
  const { uses = [] } = floats;
  if (statistics !== undefined && !uses.includes("statistics")) {
    return uses.includes("importance") ? { importance: statistics } : {};
  }
  return { importance: uses.includes("importance") ? importance : undefined, statistics };
}

/** @throws UsageError where nothing that the target writes can use the guides */
export function refuseUnusable(
  { name, target }: { readonly name: string; readonly target: WeightTarget },
  { option }: Guides,
  tensors: readonly PlanTensor[],
): void {
  const packed = tensors.flatMap(({ linear }) => linear ?? []);
  const all = { importance: "", statistics: "" };
  const key = option === "imatrix" ? "importance" : "statistics";
  const uses = packed.some(({ layout }) => {
    const used = usedGuides({ [key]: all[key] }, target.encoder(layout));
    return used.importance !== undefined || used.statistics !== undefined;
  });
  if (uses) return;
  throw new UsageError(`The target ${name} does not take \`${option}\` with these settings.`, {
    hint: "Leave it out, or choose a target that stores integers with scales.",
  });
}

/** Entries, and weights, that nothing is done with. */
export function guideFindings(
  { option, findings }: Guides,
  tensors: readonly PlanTensor[],
  { statistics }: Pick<PlanOptions, "statistics">,
): Finding[] {
  const changed = tensors.filter(({ linear, way }) => linear !== undefined && way.kind === "floats");
  const guided = changed.filter(isGuided);
  if (guided.length === 0) {
    return [...findings, finding("not-used", `\`${option}\` changes nothing: no weight gets new codes.`)];
  }
  const unguided = changed.filter((tensor) => !isGuided(tensor));
  return [
    ...findings,
    ...unguidedFindings(
      option,
      unguided.map(({ name }) => name),
    ),
    ...(statistics === undefined
      ? []
      : solvedFindings(
          statistics,
          guided.flatMap((tensor) => {
            const { statistics: entry } = guideNames(tensor);
            return entry === undefined ? [] : [[tensor.name, entry] as const];
          }),
        )),
  ];
}

/** Weights that are solved, each with the entry that it is solved with. */
type Solved = readonly (readonly [weight: string, entry: string])[];

function solvedFindings(statistics: StatisticsIndex, solved: Solved): Finding[] {
  return [...unreachedFindings(statistics, solved), ...fewTokensFindings(statistics, solved)];
}

/** The tokens of each matrix of an entry, and its columns. */
function sizeOf({ entries }: StatisticsIndex, text: string): StatisticsSize {
  const { name, matrix } = parseEntry(text);
  const { columns, tokens } = entries.get(name) ?? { columns: 0, tokens: [] };
  return { columns, tokens: matrix === undefined ? tokens : tokens.slice(matrix, matrix + 1) };
}

/** The second moments of fewer tokens than columns do not have full rank: what they do not span, the damping decides. */
export function fewTokensFindings(statistics: StatisticsIndex, solved: Solved): Finding[] {
  const few = solved.flatMap(([weight, text]) => {
    const { columns, tokens } = sizeOf(statistics, text);
    const least = tokens.find((count) => count > 0 && count < columns);
    return least === undefined ? [] : [{ weight, least, columns }];
  });
  const [first] = few;
  if (first === undefined) return [];
  const { weight, least, columns } = first;
  const these = few.length === 1 ? `1 weight, ${weight}` : `${few.length} weights, ${weight} first`;
  return [
    finding(
      "few-tokens",
      `The calibration statistics have fewer tokens than columns for ${these}: ${least} of at least ${columns}.`,
      { tensor: weight },
    ),
  ];
}

/** Weights that get new codes without any guide, although others have one. */
export function unguidedFindings(option: Guides["option"], names: readonly string[]): Finding[] {
  const [first] = names;
  if (first === undefined) return [];
  const what = option === "imatrix" ? "importance matrix has" : "calibration statistics have";
  const these = names.length === 1 ? first : `${names.length} weights that get new codes, ${first} first`;
  return [
    finding(
      "not-calibrated",
      `The ${what} no entry for ${these}: ${names.length === 1 ? "it is" : "they are"} rounded.`,
      { tensor: first },
    ),
  ];
}

/** Experts that no token reached are rounded. */
export function unreachedFindings(statistics: StatisticsIndex, solved: Solved): Finding[] {
  const unreached = solved.flatMap(([weight, text]) => {
    const { tokens } = sizeOf(statistics, text);
    const count = tokens.filter((one) => one === 0).length;
    const experts = tokens.length > 1 ? ` (${unreachedExperts(tokens)} of it)` : "";
    return count === 0 ? [] : [{ weight, count, experts }];
  });
  const [first] = unreached;
  if (first === undefined) return [];
  const count = unreached.reduce((sum, one) => sum + one.count, 0);
  return [
    finding(
      "not-calibrated",
      `No token of the calibration text reached ${count === 1 ? "1 matrix" : `${count} matrices`}, the first of ${first.weight}${first.experts}: ${count === 1 ? "it is" : "they are"} rounded.`,
      { tensor: first.weight },
      "Calibrate with more text.",
    ),
  ];
}

/** Which entries of an importance matrix or of calibration statistics guide the codes of a weight. */
import { type Finding, FormatError, rowLength, UsageError } from "@requant/core";
import { bounded } from "@requant/core/text";
import { importanceFindings, importanceOf } from "@requant/gguf";
import { finding } from "../model/findings/finding.ts";
import { entryText, type GgufPlace, parseEntry } from "../model/guide-entry.ts";
import type { StatisticsIndex } from "../model/statistics-file.ts";
import { ggufPlaces } from "./gguf-places.ts";
import type { PlanSource } from "./plan.ts";
import type { PlanImatrix, PlanOptions } from "./plan-options.ts";
import type { OutputWeight } from "./typed-weight.ts";
import type { GuideNames } from "./way.ts";

/** The options that guide the choice of codes. */
export type GuideOptions = Pick<PlanOptions, "imatrix" | "statistics">;

/** Guides of the weights of a packed target. */
export interface Guides {
  /** What was given, by the option's name. */
  readonly option: "imatrix" | "statistics";
  /** Empty for a weight that has no entry. @throws FormatError for an entry that does not fit the weight */
  of(weight: OutputWeight): GuideNames;
  /** Entries that belong to no weight of the model. */
  readonly findings: readonly Finding[];
}

/** Undefined where nothing guides. @throws UsageError where both are given */
export function guidesOf(source: PlanSource, { imatrix, statistics }: GuideOptions): Guides | undefined {
  refuseBoth({ imatrix, statistics });
  if (imatrix === undefined && statistics === undefined) return undefined;
  const { tensors, placeOf } = ggufPlaces(source);
  const find = <T>(weight: OutputWeight, use: (place: GgufPlace) => T): T | undefined => {
    const place = placeOf(weight);
    return place === undefined ? undefined : use(place);
  };
  if (statistics !== undefined) {
    return {
      option: "statistics",
      findings: unusedStatistics(statistics, tensors),
      of: (weight) => ({ statistics: find(weight, (place) => statisticsEntry(statistics, place, weight)) }),
    };
  }
  return {
    option: "imatrix",
    findings: importanceFindings(imatrix?.weights ?? new Map(), tensors),
    of: (weight) => ({ importance: find(weight, (place) => importanceEntry(imatrix, place, weight)) }),
  };
}

/** @throws UsageError */
export function refuseBoth({ imatrix, statistics }: GuideOptions): void {
  if (imatrix === undefined || statistics === undefined) return;
  throw new UsageError("`imatrix` and `statistics` contradict each other.", {
    hint: "Give `statistics` alone: they hold the importance of the columns, too.",
  });
}

/** The entry of the statistics for a weight; undefined where there is none. */
export function statisticsEntry(
  { entries, shared }: StatisticsIndex,
  { name, matrix }: GgufPlace,
  { name: weight, shape }: Pick<OutputWeight, "name" | "shape">,
): string | undefined {
  const owner = shared.get(name) ?? name;
  const entry = entries.get(owner);
  if (entry === undefined) return undefined;
  const columns = rowLength(shape);
  if (entry.columns !== columns) {
    throw new FormatError(
      `The calibration statistics of ${owner} have ${entry.columns} columns, and ${weight} has ${columns}.`,
      { tensor: weight, hint: "Use statistics of this model." },
    );
  }
  const matrices = entry.tokens.length;
  const wanted = matrix === undefined ? (shape.length > 2 ? (shape.at(-3) ?? 1) : 1) : matrix + 1;
  if (matrix === undefined ? matrices !== wanted : matrices < wanted) {
    throw new FormatError(
      `The calibration statistics of ${owner} are of ${matrices} matrices, and ${weight} needs ${wanted}.`,
      { tensor: weight, hint: "Use statistics of this model." },
    );
  }
  return entryText(owner, matrix);
}

function importanceEntry(
  imatrix: PlanImatrix | undefined,
  { name, matrix }: GgufPlace,
  { name: weight, shape }: OutputWeight,
): string | undefined {
  const columns = rowLength(shape);
  const found = importanceOf(imatrix?.weights ?? new Map(), name, shape);
  if (found === undefined) return undefined;
  const isWhole =
    matrix === undefined
      ? found.length === columns * (shape.length > 2 ? (shape.at(-3) ?? 1) : 1)
      : found.length % columns === 0 && found.length / columns > matrix;
  if (isWhole) return entryText(name, matrix);
  throw new FormatError(
    `The importance matrix has ${found.length} weights for ${name}, and ${weight} has ${columns} columns.`,
    { tensor: weight, hint: "Use a matrix computed on this model." },
  );
}

/** The importance of each column in the entry that a plan names; undefined where the matrix has no such entry. */
export function importanceColumns(
  weights: PlanImatrix["weights"],
  text: string,
  shape: readonly number[],
): ArrayLike<number> | undefined {
  const { name, matrix } = parseEntry(text);
  const all = importanceOf(weights, name, shape);
  if (all === undefined || matrix === undefined) return all;
  const columns = rowLength(shape);
  const own = Array.from(all).slice(matrix * columns, (matrix + 1) * columns);
  return own.length === columns ? own : undefined;
}

/** @throws FormatError where no entry belongs to the model */
export function unusedStatistics(
  { entries, shared }: StatisticsIndex,
  tensors: readonly { readonly name: string }[],
): Finding[] {
  const names = new Set(tensors.map(({ name }) => name));
  const users = new Set([...shared].flatMap(([name, owner]) => (names.has(name) ? [owner] : [])));
  const others = [...entries.keys()].filter((name) => !names.has(name) && !users.has(name));
  if (others.length === 0) return [];
  const named = others.slice(0, NAMED).map((name) => bounded(name));
  const list = `${named.join(", ")}${others.length > NAMED ? ` and ${others.length - NAMED} more` : ""}`;
  if (others.length === entries.size) {
    throw new FormatError(
      `None of the ${entries.size} entries of the calibration statistics belongs to a weight of the model; they are ${list}.`,
      { hint: "Use statistics of this model." },
    );
  }
  return [
    finding(
      "not-used",
      `${others.length} of ${entries.size} entries of the calibration statistics ${others.length === 1 ? "belongs" : "belong"} to no weight of the model: ${list}.`,
    ),
  ];
}

/** Names in one message; the rest is a count. */
const NAMED = 3;

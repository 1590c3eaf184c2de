/** What is known of the inputs of weights while costs are measured, before there is a plan that names entries. */
import type { PackGuide } from "@requant/core/format";
import type { InputStatistics } from "@requant/core/solve";
import { type GgufPlace, parseEntry } from "../model/guide-entry.ts";
import { recentlyUsed } from "../model/recently-used.ts";
import { usableImportance } from "../model/usable-importance.ts";
import { type GuideOptions, guidesOf, importanceColumns, statisticsEntry } from "./guides.ts";
import type { PlanSource } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import type { OutputWeight } from "./typed-weight.ts";

/** Nothing where nothing is known. @param matrix of a stack, which one; else 0 */
export type GuideReader<T> = (weight: T, matrix: number) => Promise<PackGuide>;

/** Of weights under any names, from statistics or an importance matrix. Undefined where neither can be read. */
export function sourceGuides(
  source: PlanSource,
  options: GuideOptions,
): GuideReader<OutputWeight> | undefined {
  const { imatrix } = options;
  const read = statisticsReader(options.statistics);
  if (read === undefined && imatrix === undefined) return undefined;
  const guides = guidesOf(source, options);
  return async (weight, matrix) => {
    const { statistics, importance } = guides?.of(weight) ?? {};
    if (statistics !== undefined) return (await read?.(parseEntry(statistics), matrix)) ?? {};
    if (importance === undefined || imatrix === undefined) return {};
    const columns = importanceColumns(imatrix.weights, importance, weight.shape);
    return columns === undefined ? {} : { importance: Float32Array.from(columns) };
  };
}

/** Of the weights of a GGUF, from statistics alone. Undefined where there are none that can be read. */
export function ggufGuides({
  statistics,
}: Pick<PlanOptions, "statistics">): GuideReader<Pick<OutputWeight, "name" | "shape">> | undefined {
  const read = statisticsReader(statistics);
  if (read === undefined || statistics === undefined) return undefined;
  return async (weight, matrix) => {
    const entry = statisticsEntry(statistics, { name: weight.name }, weight);
    return entry === undefined ? {} : read(parseEntry(entry), matrix);
  };
}

/** The same array of moments for weights that share their inputs: what is computed from it is kept with it. */
function statisticsReader(
  index: PlanOptions["statistics"],
): ((place: GgufPlace, matrix: number) => Promise<PackGuide>) | undefined {
  const read = index?.read?.bind(index);
  if (read === undefined) return undefined;
  const cache = new Map<string, Promise<InputStatistics>>();
  return async ({ name, matrix: own }, ofStack) => {
    const matrix = own ?? ofStack;
    const statistics = await recentlyUsed(cache, `${matrix} ${name}`, () => read(name, matrix));
    // an expert that no token reached
    if (statistics.tokens === 0) return {};
    return { importance: usableImportance(statistics), statistics };
  };
}

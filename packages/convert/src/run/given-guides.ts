/** The importance matrix and the calibration statistics that a run was given, against those that its plan names. */
import { UsageError } from "@requant/core";
import { parseEntry } from "../model/guide-entry.ts";
import type { Model } from "../model/model.ts";
import { openStatisticsFile, type StatisticsLocation } from "../model/statistics-file.ts";
import { importanceColumns } from "../plan/guides.ts";
import type { PlanTensor } from "../plan/plan.ts";
import { guideNames } from "../plan/way.ts";
import type { ColumnImportance } from "./guides.ts";
import type { RunOptions } from "./run-options.ts";
import type { SharedFile } from "./workers/protocol.ts";

/** The columns that the tensors need. @throws UsageError when the run was not given the plan's matrix */
export function importanceOf(
  tensors: readonly PlanTensor[],
  { imatrix, statistics }: Pick<RunOptions, "imatrix" | "statistics">,
): ReadonlyMap<string, ColumnImportance> {
  const columns = new Map<string, ColumnImportance>();
  // statistics are read when they are needed: they hold the importance of columns, too
  if (imatrix === undefined && statistics !== undefined) return columns;
  for (const tensor of tensors) {
    const text = guideNames(tensor).importance;
    if (text === undefined || columns.has(text)) continue;
    const entry = imatrix === undefined ? undefined : importanceColumns(imatrix, text, tensor.shape);
    if (entry === undefined) {
      throw new UsageError("The plan quantizes with an importance matrix that the run was not given.", {
        tensor: tensor.name,
      });
    }
    columns.set(text, Float32Array.from(entry));
  }
  return columns;
}

/** Where workers find a file; "here only" where they do not. */
export function sharedFile(location: StatisticsLocation | undefined): SharedFile | undefined | "here only" {
  if (location === undefined) return undefined;
  const { store, file } = location;
  return store.address === undefined ? "here only" : { address: store.address, file };
}

/** Where workers find the scales that are folded into the model. */
export function sharedFolding({ folding }: Model): ReturnType<typeof sharedFile> {
  return folding !== undefined && folding.location === undefined
    ? "here only"
    : sharedFile(folding?.location);
}

/** @throws UsageError when the run was not given the statistics that the plan names */
export function refuseMissingStatistics(tensors: readonly PlanTensor[], { statistics }: RunOptions): void {
  const solved = tensors.find((tensor) => guideNames(tensor).statistics !== undefined);
  if (solved === undefined || statistics !== undefined) return;
  throw new UsageError("The plan solves weights with calibration statistics that the run was not given.", {
    tensor: solved.name,
  });
}

/** Of each entry of the calibration statistics that is used, numbers that another calibration would hardly give. */
export async function statisticsInUse(
  tensors: Iterable<PlanTensor>,
  { statistics, imatrix }: Pick<RunOptions, "imatrix" | "statistics">,
): Promise<{ readonly name: string; readonly meanAbs: Float32Array }[]> {
  if (statistics === undefined) return [];
  const names = new Set<string>();
  for (const tensor of tensors) {
    const used = guideNames(tensor);
    const text = used.statistics ?? (imatrix === undefined ? used.importance : undefined);
    if (text !== undefined) names.add(parseEntry(text).name);
  }
  const file = await openStatisticsFile(statistics);
  try {
    const found: { name: string; meanAbs: Float32Array }[] = [];
    for (const name of names) found.push({ name, meanAbs: await file.readMeanAbs(name) });
    return found;
  } finally {
    await file.close();
  }
}

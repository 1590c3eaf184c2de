/** Statistics of a text in parts, on any machines, in any order, each part at least once. */
import { type Compute, unusedExpertFindings } from "@requant/calibrate";
import { type Finding, IoError, type SharedWork, UsageError } from "@requant/core";
import { openSafetensors, type Safetensors } from "@requant/safetensors";
import { completeFinding } from "../../model/findings/finding.ts";
import type { Model } from "../../model/model.ts";
import { type OutputStore, outputExists, refuseSourceFiles } from "../../run/outputs/store.ts";
import { groupOf } from "../../run/parts/ledger.ts";
import { mostFrequent, wordsForParts } from "../../run/parts/named-parts.ts";
import { FOREIGN_HINT } from "../../run/parts/open-work.ts";
import { type PartNumber, refusePart } from "../../run/parts/part-work.ts";
import type { PartReport } from "../../run/parts/plan-parts.ts";
import { refuseChangedSince } from "../../run/parts/refuse-changed.ts";
import { collectStatistics } from "../collect-statistics.ts";
import { type DescribedStatistics, describeStatistics } from "../described-statistics.ts";
import { isStatisticsOf } from "../finished-statistics.ts";
import { stageOf } from "../kept-steps.ts";
import type { MeasureControl } from "../progress.ts";
import { type MergedEntry, mergeSlices } from "./merge-slices.ts";
import type { SavedStatisticsPlan } from "./saved-statistics-plan.ts";
import { claimLine, measureFile, readClaims, type SliceClaim } from "./slice-claims.ts";
import { partOfSlice, sliceCount, slicesOf, windowsOfSlice } from "./slice-ranges.ts";

/** What a part or the finish may be told besides the plan. */
export interface StatisticsPartOptions extends MeasureControl {
  /** The heavy steps; the caller closes it. Default: SIMD kernels on this thread. */
  readonly compute?: Compute | undefined;
  /** Read again what earlier attempts have made. Default true. */
  readonly check?: boolean | undefined;
}

/** What became of a finish. */
export interface StatisticsFinishReport {
  readonly windows: number;
  readonly window: number;
  readonly entries: number;
  readonly byteLength: number;
  /** "unused-expert"; none where the output was finished before. */
  readonly findings: readonly Finding[];
  readonly finishedAlready?: true | undefined;
}

/** An open plan for statistics. */
export interface StatisticsParts {
  readonly saved: SavedStatisticsPlan;
  /** The most parts that have something to do each. */
  readonly jobCount: number;
  /** Makes the slices of one part that are not made yet: the model reads their windows. */
  run(number: PartNumber, options?: StatisticsPartOptions): Promise<PartReport>;
  /**
   * Checks that all slices are made, adds them, and gives the file its name. Safe to call again.
   * @throws UsageError where parts are missing; IoError where bytes are not what a part wrote
   */
  finish(options?: StatisticsPartOptions): Promise<StatisticsFinishReport>;
}

/** What a plan for statistics says of the text and the model. */
export async function describeSlices(
  model: Model,
  text: Parameters<typeof describeStatistics>[1] & { readonly slices?: number | undefined },
  signal?: AbortSignal,
): Promise<Pick<SavedStatisticsPlan, "byteLength" | "run" | "windows" | "window" | "slices">> {
  const { layout, run, windows, window } = await describeStatistics(model, text, signal);
  const slices = sliceCount(text.slices, windows.length);
  return { byteLength: layout.byteLength, run, windows: windows.length, window, slices };
}

/**
 * Opens a saved plan for statistics.
 * @param text the text that the plan names
 * @param output the folder of the finished file, on a disk that all machines share
 * @throws UsageError for a changed source, and for another text
 */
export async function openStatisticsParts(
  saved: SavedStatisticsPlan,
  model: Model,
  text: string,
  output: OutputStore,
): Promise<StatisticsParts> {
  await refuseChangedSince(saved, model);
  await refuseSourceFiles(model, output, [saved.file]);
  const described = await describeStatistics(model, { ...saved.options, text });
  if (described.run !== saved.run || described.layout.byteLength !== saved.byteLength) {
    throw new UsageError("The windows of the text are not those of the plan.", {
      path: model.name,
      hint: "Use one version of this program on all machines, or save the plan again.",
    });
  }
  return new OpenSlices(saved, model, text, output, described);
}

class OpenSlices implements StatisticsParts {
  readonly saved: SavedStatisticsPlan;
  private readonly model: Model;
  private readonly text: string;
  private readonly output: OutputStore;
  private readonly described: DescribedStatistics;

  constructor(
    saved: SavedStatisticsPlan,
    model: Model,
    text: string,
    output: OutputStore,
    described: DescribedStatistics,
  ) {
    this.saved = saved;
    this.model = model;
    this.text = text;
    this.output = output;
    this.described = described;
  }

  get jobCount(): number {
    return this.saved.slices;
  }

  async run(number: PartNumber, options: StatisticsPartOptions = {}): Promise<PartReport> {
    const started = performance.now();
    refusePart(number);
    const slices = slicesOf(number, this.saved.slices);
    const report = (state: PartReport["state"], madeCount: number): PartReport => ({
      ...number,
      state,
      pieceCount: slices.length,
      madeCount,
      byteLength: Math.round((this.saved.byteLength * slices.length) / this.saved.slices),
      seconds: (performance.now() - started) / 1000,
    });
    const begun = await this.share(false);
    if (begun === undefined && (await this.isFinished())) return report("published", 0);
    const shared = begun ?? (await this.share(true));
    if (shared === undefined) return report("published", 0);
    const { claims } = await readClaims(shared);
    const left: number[] = [];
    for (const slice of slices) {
      if ((await this.fileOf(shared, claims.get(slice) ?? [], options)) === undefined) left.push(slice);
    }
    await this.make(shared, number, left, options);
    return report(left.length > 0 ? "made" : "whole", left.length);
  }

  private async make(
    shared: SharedWork,
    number: PartNumber,
    slices: readonly number[],
    { signal, onProgress, compute }: StatisticsPartOptions,
  ): Promise<void> {
    const { saved, model, text, output } = this;
    for (const [index, slice] of slices.entries()) {
      if (index > 0 && (await this.share(false)) === undefined) {
        throw new IoError("The working folder of the plan was removed while this part ran.", {
          path: shared.name,
          hint: "The plan was aborted or finished meanwhile. To make the output after an abort, run all parts again.",
          reason: "plan-removed",
        });
      }
      const file = `slice-${slice}-${randomWord()}.safetensors`;
      const path = `${folderOf(shared)}/${file}`;
      await collectStatistics({
        ...saved.options,
        model,
        text,
        only: windowsOfSlice(saved, slice),
        embedding: slice === 0,
        store: output,
        file: path,
        overwrite: false,
        keep: false,
        compute,
        signal,
        onProgress: ({ done, total }) =>
          onProgress?.({ done: index * total + done, total: slices.length * total }),
      });
      const measured = await measureFile(output, path, signal);
      if (measured === undefined) throw new IoError("The file that was written is not there.", { path });
      // after each slice: what is made is not lost with the process
      const log = await shared.startLog(groupOf(number));
      await log.append(claimLine({ slice, file, ...measured }));
      await log.close();
    }
  }

  async finish(options: StatisticsPartOptions = {}): Promise<StatisticsFinishReport> {
    const { saved, described } = this;
    const { windows, window, byteLength } = saved;
    const report = { windows, window, entries: described.shapes.length, byteLength };
    const shared = await this.share(false);
    if (await this.isFinished()) {
      await shared?.remove();
      return { ...report, findings: [], finishedAlready: true };
    }
    if (shared === undefined) {
      throw new UsageError("No part of the plan was run yet.", {
        path: this.output.name,
        hint: "Run all parts first.",
        reason: "parts-missing",
      });
    }
    const merged = await this.merge(await this.allFiles(shared, options), options);
    await shared.remove();
    return { ...report, findings: unusedExpertFindings(merged).map((found) => completeFinding(found)) };
  }

  /** The file of each slice. @throws UsageError, IoError naming the parts whose slices are missing or damaged */
  private async allFiles(shared: SharedWork, options: StatisticsPartOptions): Promise<string[]> {
    const { slices } = this.saved;
    const { claims, logsOf } = await readClaims(shared);
    const count = mostFrequent(logsOf);
    const files: string[] = [];
    const [missing, damaged] = [new Set<number>(), new Set<number>()];
    for (let slice = 0; slice < slices; slice++) {
      const own = claims.get(slice);
      const file = await this.fileOf(shared, own ?? [], options);
      if (file !== undefined) files.push(file);
      else (own === undefined ? missing : damaged).add(partOfSlice(slice, slices, count));
    }
    const place = { path: shared.name };
    if (missing.size > 0) {
      throw new UsageError(`The plan is not finished: it lacks ${wordsForParts(missing, count)}.`, {
        ...place,
        hint: "Run these parts, then finish again.",
        reason: "parts-missing",
      });
    }
    if (damaged.size > 0) {
      throw new IoError(`The bytes of ${wordsForParts(damaged, count)} are not what was written.`, {
        ...place,
        hint: "Run these parts again, then finish again.",
        reason: "parts-damaged",
      });
    }
    return files;
  }

  /** Where a slice is: the first file that is what its claim says. */
  private async fileOf(
    shared: SharedWork,
    claims: readonly SliceClaim[],
    { check = true, signal }: StatisticsPartOptions,
  ): Promise<string | undefined> {
    for (const claim of claims) {
      const path = `${folderOf(shared)}/${claim.file}`;
      if (check) {
        const found = await measureFile(this.output, path, signal);
        if (found?.byteLength === claim.byteLength && found.checksum === claim.checksum) return path;
      } else {
        const source = await this.output.open(path);
        await source?.close();
        if (source?.byteLength === claim.byteLength) return path;
      }
    }
    return undefined;
  }

  private async merge(
    files: readonly string[],
    { signal, onProgress }: StatisticsPartOptions,
  ): Promise<MergedEntry[]> {
    const { output, saved, described } = this;
    const opened: Safetensors[] = [];
    try {
      for (const file of files) opened.push(await openSafetensors(output, { file }));
      const file = await stageOf(output)(saved.file, { byteLength: saved.byteLength });
      try {
        let done = 0;
        const merged = await mergeSlices(opened, described.shapes, {
          layout: described.layout,
          embedding: described.embedding,
          file,
          signal,
          onBytes(byteLength) {
            done += byteLength;
            onProgress?.({ done, total: saved.byteLength });
          },
        });
        await file.publish();
        await file.finish();
        return merged;
      } catch (error) {
        await file.discard();
        throw error;
      }
    } finally {
      for (const slice of opened) await slice.close();
    }
  }

  private async share(make: boolean): Promise<SharedWork | undefined> {
    if (this.output.share === undefined) {
      throw new UsageError("Parts of statistics need a folder on a disk that all machines share.", {
        path: this.output.name,
      });
    }
    return this.output.share(this.saved.id.slice(0, 16), { make });
  }

  /** @throws IoError where another file has the output's name, and may not be replaced */
  private async isFinished(): Promise<boolean> {
    const { output, saved } = this;
    const { overwrite = false, replaces } = saved.options;
    const found = await output.open(saved.file);
    if (found === undefined) return false;
    const isOld = replaces !== undefined && replaces === (found.version ?? null);
    await found.close();
    if (!isOld && (await isStatisticsOf(output, saved.file, saved.run).catch(() => false))) return true;
    if (overwrite) return false;
    throw outputExists(output, saved.file, "it is not what this plan makes", FOREIGN_HINT);
  }
}

/** The name of the folder of the work, inside the output's folder. */
function folderOf({ name }: SharedWork): string {
  return name.split(/[/\\]/).at(-1) ?? name;
}

function randomWord(): string {
  const words = crypto.getRandomValues(new Uint32Array(2));
  return Array.from(words, (word) => word.toString(16).padStart(8, "0")).join("");
}

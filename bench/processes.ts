/** Contenders that are whole processes, measured in turns. */
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Usage } from "./child-process.ts";
import { type Measurement, spread } from "./results.ts";

export interface ProcessContender {
  readonly name: string;
  /** A file or folder that is removed before each run. */
  readonly output?: string;
  /** Worker threads of requant. */
  readonly workers?: number;
  run(): Promise<Usage>;
}

export interface ProcessTask extends Pick<Measurement, "part" | "task" | "bytes" | "size"> {
  readonly rounds: number;
  /** Short rounds are repeated two more times. */
  readonly repeatShort?: boolean;
  /** Outputs are removed after each run, for models that fit on the disk only a few times. */
  readonly tidy?: boolean;
  /** See `takeMemory`: where, and how much each run needs for its output. */
  readonly memory?: { readonly folder: string; readonly byteLength: number };
  /** Whether the output of a contender is right, asked once; undefined where nobody can tell. */
  same?(contender: ProcessContender): Promise<boolean | undefined>;
}

/** A shorter round, in milliseconds, is repeated two more times. */
const SHORT = 10_000;

/**
 * A program can slow the next one down, through the system's cache and pending writes to the disk, so each contender is
 * first in turn. Without an old output, all contenders start alike: one program truncates it first, another keeps it
 * until the end.
 */
export async function measureProcesses(
  task: ProcessTask,
  contenders: readonly ProcessContender[],
): Promise<Measurement[]> {
  const entries = contenders.map((contender) => ({
    contender,
    usages: [] as Usage[],
    same: undefined as boolean | undefined,
  }));
  const start = performance.now();
  let { rounds } = task;
  for (let round = 0; round < rounds; round++) {
    for (const entry of inTurns(entries, round)) {
      const { contender } = entry;
      await removeOutputs([contender]);
      if (task.memory !== undefined) takeMemory(task.memory);
      entry.usages.push(await contender.run());
      if (task.tidy !== true) continue;
      entry.same ??= await task.same?.(contender);
      await removeOutputs([contender]);
    }
    // in short rounds, the system's handling of half a gigabyte of memory is most of the noise
    if (task.repeatShort === true && round === 0 && performance.now() - start < SHORT) rounds *= 3;
  }
  const measurements: Measurement[] = [];
  for (const { contender, usages, same: known } of entries) {
    const same = task.tidy === true ? known : await task.same?.(contender);
    measurements.push({
      part: task.part,
      task: task.task,
      contender: contender.name,
      samples: usages.length,
      ...usageSpreads(usages),
      ...(task.bytes === undefined ? {} : { bytes: task.bytes }),
      ...(task.size === undefined ? {} : { size: task.size }),
      ...(contender.workers === undefined ? {} : { workers: contender.workers }),
      ...(same === undefined ? {} : { same }),
    });
  }
  return measurements;
}

const BLOCK = Buffer.alloc(256 * 1024, 1);

/**
 * Writes a file and removes it, so that the system has memory at hand for as many bytes. A virtual machine may give memory
 * that nobody uses back to its host after a second or two, and then takes seconds for each gigabyte to get it again: the
 * program that runs first after a pause would pay for it.
 */
function takeMemory({ folder, byteLength }: { readonly folder: string; readonly byteLength: number }): void {
  const path = join(folder, "memory");
  const file = openSync(path, "w");
  for (let written = 0; written < byteLength; ) written += writeSync(file, BLOCK);
  closeSync(file);
  rmSync(path);
}

/** The figures of several runs of one program. */
export function usageSpreads(
  usages: readonly Usage[],
): Pick<Measurement, "wallSeconds" | "cpuSeconds" | "peakBytes" | "writtenBytes"> {
  const written = usages.at(-1)?.writtenBytes;
  return {
    wallSeconds: spread(usages.map(({ wallSeconds }) => wallSeconds)),
    cpuSeconds: spread(usages.map(({ cpuSeconds }) => cpuSeconds)),
    peakBytes: spread(usages.map(({ peakBytes }) => peakBytes)),
    ...(written === undefined ? {} : { writtenBytes: written }),
  };
}

/** Removes what all contenders made. */
export async function removeOutputs(contenders: readonly ProcessContender[]): Promise<void> {
  for (const { output } of contenders)
    if (output !== undefined) await rm(output, { recursive: true, force: true });
}

/** Rotated, so that each is first in turn. */
export function inTurns<T>(contenders: readonly T[], round: number): T[] {
  const first = round % contenders.length;
  return [...contenders.slice(first), ...contenders.slice(0, first)];
}

/** "2 threads". */
export function threadWords(threads: number): string {
  return threads === 1 ? "one thread" : `${threads} threads`;
}

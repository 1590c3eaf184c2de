/** Reads published files again. */
import { type ByteSource, IoError } from "@requant/core";
import { checksum } from "../checksum-twin.ts";
import type { Job } from "../pieces.ts";
import type { RunState } from "../run-state.ts";
import { noWork, WorkArea } from "../work-area.ts";
import { checkHeader } from "./check-header.ts";
import { lost, NOT_AS_WRITTEN, type OutputStore } from "./store.ts";

/**
 * Compares files that have their final names with the plan, and their pieces with what was written.
 * @param isConfirmed true for a file whose pieces need not be read: only its length and its header are compared
 * @param removes when all files are removed: where any check fails, or only where what is in a file differs
 * @throws IoError where they differ
 */
export async function checkPublishedFiles(
  run: RunState,
  store: OutputStore,
  isConfirmed: (file: number) => boolean = () => false,
  removes: "failed" | "damaged" = "failed",
): Promise<void> {
  run.startPhase();
  const area = new WorkArea({ ...noWork, out: run.work.sizes.out });
  try {
    for (const file of run.layouts.keys()) {
      await checkFile(run, store, file, isConfirmed(file) ? undefined : area);
    }
  } catch (error) {
    if (error instanceof IoError && (removes === "failed" || error.reason === NOT_AS_WRITTEN)) {
      for (const { file } of run.layouts) await store.remove?.(file.name);
    }
    throw error;
  } finally {
    area.release();
  }
}

async function checkFile(
  run: RunState,
  store: OutputStore,
  file: number,
  area: WorkArea | undefined,
): Promise<void> {
  const layout = run.layouts[file];
  if (layout === undefined) return;
  const path = `${store.name}/${layout.file.name}`;
  const source = await store.open(layout.file.name);
  if (source === undefined)
    throw new IoError("The file that was written is not there.", {
      path,
      reason: NOT_AS_WRITTEN,
    });
  try {
    const { byteLength } = layout.file;
    if (source.byteLength !== byteLength) {
      throw new IoError(`${byteLength} bytes were written, ${source.byteLength} are there.`, {
        path,
        reason: NOT_AS_WRITTEN,
      });
    }
    await checkHeader(source, layout);
    if (area === undefined) return;
    for (const job of run.work.jobs) {
      if (job.pieces[0]?.file === file) await checkJob(run, source, job, path, area);
    }
  } finally {
    await source.close();
  }
}

async function checkJob(
  run: RunState,
  source: ByteSource,
  job: Job,
  path: string,
  area: WorkArea,
): Promise<void> {
  for (const piece of job.pieces) {
    run.options.signal?.throwIfAborted();
    await source.readInto(area.bytes("out", 0, piece.byteLength), piece.byteOffset);
    const sum = checksum(area.bytes("out", 0, piece.byteLength));
    if (sum !== run.resultOf(piece)?.checksum) throw lost(path, run.plan.tensors[piece.tensor]?.name);
    run.report("check", piece);
  }
}

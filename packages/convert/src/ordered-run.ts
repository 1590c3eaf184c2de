/** A run whose output only appends: memory, a network, a page. */
import { type ByteSource, IoError } from "@requant/core";
import { checksumsOf } from "./crew.ts";
import { OrderedOutput } from "./ordered-output.ts";
import { checkHeader } from "./output/reopen.ts";
import { lost, type OutputStore } from "./output-store.ts";
import type { Job } from "./pieces.ts";
import type { RunState } from "./run-state.ts";

/** Files appear under their names only when all of them are written; on failure or abort nothing is left. */
export async function runOrdered(run: RunState, store: OutputStore): Promise<void> {
  const output = new OrderedOutput(store, run.layouts, run.pieceCounts);
  try {
    await output.begin();
    // one at a time: reading ahead of a slow sink would only fill the memory
    const destination = {
      deliver: (...piece: Parameters<OrderedOutput["put"]>) => output.put(...piece),
      places: 1,
    };
    await run.withCrew(destination, (crew) =>
      run.make(crew, run.work.jobs, { onFailure: (error) => output.fail(error) }),
    );
    await output.finish();
  } catch (error) {
    await output.abort();
    throw error;
  }
  if (run.options.check === false) return;
  run.startPhase();
  try {
    for (const file of run.layouts.keys()) await checkFile(run, store, file);
  } catch (error) {
    if (error instanceof IoError) {
      for (const { file } of run.layouts) await store.remove?.(file.name);
    }
    throw error;
  }
}

async function checkFile(run: RunState, store: OutputStore, file: number): Promise<void> {
  const layout = run.layouts[file];
  if (layout === undefined) return;
  const path = `${store.name}/${layout.file.name}`;
  const source = await store.open(layout.file.name);
  if (source === undefined) throw new IoError("the file that was written is not there", { path });
  try {
    const { byteLength } = layout.file;
    if (source.byteLength !== byteLength) {
      throw new IoError(`${byteLength} bytes were written, ${source.byteLength} are there`, { path });
    }
    await checkHeader(source, layout);
    for (const job of run.work.jobs) {
      if (job.pieces[0]?.file === file) await checkJob(run, source, job, path);
    }
  } finally {
    await source.close();
  }
}

async function checkJob(run: RunState, source: ByteSource, job: Job, path: string): Promise<void> {
  for (const piece of job.pieces) {
    run.options.signal?.throwIfAborted();
    const [sum] = await checksumsOf([piece], (_, target) => source.readInto(target, piece.byteOffset));
    if (sum !== run.resultOf(piece)?.checksum) throw lost(path, run.plan.tensors[job.tensor]?.name);
    run.report("check", job.tensor, piece);
  }
}

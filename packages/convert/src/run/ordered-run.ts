/** A run whose output only appends: memory, a network, a page. */
import { type ByteSource, IoError } from "@requant/core";
import { checksum } from "./checksum-twin.ts";
import { OrderedOutput } from "./ordered-output.ts";
import { lost, type OutputStore } from "./output-store.ts";
import type { Job } from "./pieces.ts";
import { checkHeader } from "./reopen.ts";
import type { RunState } from "./run-state.ts";
import { noWork, WorkArea } from "./work-area.ts";

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
    const area = new WorkArea({ ...noWork, out: run.work.sizes.out });
    try {
      for (const file of run.layouts.keys()) await checkFile(run, store, file, area);
    } finally {
      area.release();
    }
  } catch (error) {
    if (error instanceof IoError) {
      for (const { file } of run.layouts) await store.remove?.(file.name);
    }
    throw error;
  }
}

async function checkFile(run: RunState, store: OutputStore, file: number, area: WorkArea): Promise<void> {
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
    if (sum !== run.resultOf(piece)?.checksum) throw lost(path, run.plan.tensors[job.tensor]?.name);
    run.report("check", job.tensor, piece);
  }
}

/** A run whose output is files on a disk: by several workers, in any order, and resumable. */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { isCodecError, UsageError } from "@requant/core";
import { finding } from "../model/findings/finding.ts";
import { sourceVersions } from "../model/source-versions.ts";
import { checksumOfCopy } from "./checksum-twin.ts";
import { compareWithExisting } from "./compare-existing.ts";
import type { JournalHead } from "./journal.ts";
import { existingFiles, lost, type OutputStore, outputExists } from "./output-store.ts";
import type { Job, Piece } from "./pieces.ts";
import { type Crew, inParallel } from "./pool.ts";
import type { RunState } from "./run-state.ts";
import { StagedOutput } from "./staged-output.ts";

/** Pieces that are read again at one go. */
const PIECES_PER_READ = 16;

/**
 * Files appear under their names only when all of them are written and checked. When the run is interrupted, what is
 * finished stays beside them under temporary names; on any other failure nothing is left.
 */
export async function runStaged(
  run: RunState,
  store: OutputStore,
  stage: NonNullable<OutputStore["stage"]>,
): Promise<void> {
  const { resume = false, overwrite = false, keep = true, check = true, onFinding } = run.options;
  const planned = run.layouts.map(({ file }) => file);
  const existing = overwrite ? [] : await existingFiles(store, planned);
  const [taken] = existing;
  if (taken !== undefined && !resume) throw outputExists(store, taken);
  const output = await StagedOutput.open(stage, run.layouts, { resume, head: await headOf(run) });
  try {
    const foreign = existing.find((name) => !output.isPublished(name));
    if (foreign !== undefined) {
      if (existing.length < planned.length || !output.isEmpty()) throw outputExists(store, foreign);
      // the run before was at its very end, or this is somebody else's file: the bytes tell
      await output.end(false);
      await compareWithExisting(run, store);
      onFinding?.(finding("compared", "The output was complete already; it was made again and compared."));
      return;
    }
    await run.withCrew(destinationOf(output), async (crew) => {
      const left = resume ? await withoutFinished(run, output, crew) : run.work.jobs;
      await output.begin();
      await run.make(crew, left, { onPiece: (piece, result) => output.note(piece, result) });
      if (check) await checkAll(run, output, crew);
    });
    run.options.signal?.throwIfAborted();
    await output.publish();
  } catch (error) {
    const kept = await output.end(keep && isInterruption(error));
    if (kept) onFinding?.(finding("kept", "What was finished is kept beside the output."));
    throw error;
  }
}

function destinationOf(output: StagedOutput): Parameters<RunState["withCrew"]>[0] {
  return {
    deliver: (piece, bytes) => output.write(piece, bytes),
    readBack: (piece, target) => output.readInto(piece, target),
    outputs: output.files.map(({ address, name }) => ({ address, name })),
    places: 2,
  };
}

/** What another run can go on from: neither the plan nor the source is at fault. */
function isInterruption(error: unknown): boolean {
  return isCodecError(error) ? error.code === "IO" : error instanceof Error && error.name === "AbortError";
}

/** What decides the bytes: the plan but for names of places, the cut into pieces, the matrix, and the source. */
async function headOf(run: RunState): Promise<JournalHead> {
  const { name: _, ...source } = run.plan.source;
  // a vocabulary as text would be most of this; the headers made from it stand for it
  const files = run.plan.files.map((file) => ("metadata" in file ? { ...file, metadata: undefined } : file));
  const headers = run.layouts.map(({ header }) => checksumOfCopy(header));
  const facts = { ...run.plan, source, files, headers, findings: [], band: run.bandByteLength };
  const hash = sha256.create();
  hash.update(utf8ToBytes(JSON.stringify(facts)));
  for (const [name, columns] of run.importance) {
    hash.update(utf8ToBytes(name));
    hash.update(new Uint8Array(columns.buffer, columns.byteOffset, columns.byteLength));
  }
  return { run: bytesToHex(hash.digest()), source: await sourceVersions(run.model) };
}

/** The jobs without the pieces that the journal claims and that are really there. */
async function withoutFinished(run: RunState, output: StagedOutput, crew: Crew): Promise<readonly Job[]> {
  const claimed = run.work.jobs.flatMap(({ tensor, pieces }) =>
    pieces.flatMap((piece) => {
      const result = output.claims(piece.file).get(piece.index);
      return result === undefined ? [] : [{ tensor, piece, result }];
    }),
  );
  await inParallel(
    chunksOf(claimed),
    crew.capacity,
    async (chunk) => {
      const sums = await crew.read(chunk.map(({ piece }) => piece));
      for (const [index, { tensor, piece, result }] of chunk.entries()) {
        if (sums[index] !== result.checksum) continue;
        run.setResult(tensor, piece, result);
        run.report("write", tensor, piece);
      }
    },
    (error) => crew.stop(error),
  );
  const isMissing = (piece: Piece): boolean => run.resultOf(piece) === undefined;
  const left = run.work.jobs
    .map((job) => ({ ...job, pieces: job.pieces.filter(isMissing) }))
    .filter(({ pieces }) => pieces.length > 0);
  const damaged = left.flatMap(({ pieces }) => pieces).find(({ file }) => output.files[file]?.published);
  if (damaged !== undefined) {
    throw new UsageError("the file has its name already, but is not what the journal beside it says", {
      path: output.files[damaged.file]?.name,
      hint: "Start over without resuming.",
    });
  }
  return left;
}

/** Reads everything again. @throws IoError when it is not what was written */
async function checkAll(run: RunState, output: StagedOutput, crew: Crew): Promise<void> {
  run.startPhase();
  await output.checkHeaders();
  const all = run.work.jobs.flatMap(({ tensor, pieces }) => pieces.map((piece) => ({ tensor, piece })));
  await inParallel(
    chunksOf(all),
    crew.capacity,
    async (chunk) => {
      run.options.signal?.throwIfAborted();
      const sums = await crew.read(chunk.map(({ piece }) => piece));
      for (const [index, { tensor, piece }] of chunk.entries()) {
        if (sums[index] !== run.resultOf(piece)?.checksum) {
          throw lost(output.files[piece.file]?.name ?? "", run.plan.tensors[tensor]?.name);
        }
        run.report("check", tensor, piece);
      }
    },
    (error) => crew.stop(error),
  );
}

function* chunksOf<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += PIECES_PER_READ) {
    yield items.slice(start, start + PIECES_PER_READ);
  }
}

/** A worker's side, whatever kind of worker it is. */
import {
  IoError,
  type ReadStore,
  type StagedAddress,
  type StagedBytes,
  type StoreAddress,
} from "@requant/core";
import { foldedModel } from "../../model/folding/folded-model.ts";
import { readFolded } from "../../model/folding/folding-file.ts";
import type { Model } from "../../model/model.ts";
import { openModel } from "../../model/open.ts";
import { refuseChangedSource } from "../../model/source-versions.ts";
import type { StatisticsLocation } from "../../model/statistics-file.ts";
import { PieceMaker } from "../piece-maker.ts";
import type { Piece } from "../pieces.ts";
import {
  plainError,
  type SharedFile,
  type SharedModel,
  type WorkerReply,
  type WorkerRequest,
  type WorkerSetup,
} from "./protocol.ts";

/** What differs between kinds of workers. */
export interface WorkerHost {
  post(reply: WorkerReply, transfer?: ArrayBuffer[]): void;
  openStore(address: StoreAddress): ReadStore;
  openStaged(address: StagedAddress, name: string): Promise<StagedBytes>;
}

/** Answers the run's messages, in any number at the same time. */
export function serve(host: WorkerHost): (request: WorkerRequest) => void {
  let context: Promise<WorkerContext> | undefined;
  const taken = new Map<number, () => void>();
  /** Memory of pieces that were delivered: new memory takes longer than the copying itself. */
  const spare: ArrayBuffer[] = [];

  async function answer(request: WorkerRequest): Promise<void> {
    if (request.kind === "taken") {
      spare.push(request.memory);
      taken.get(request.id)?.();
      return;
    }
    if (request.kind === "setup") {
      context = openContext(host, request);
      await context;
      host.post({ kind: "ready" });
      return;
    }
    const here = await context;
    if (here === undefined) throw new IoError("A worker was given work before its tools.");
    const { id } = request;
    if (request.kind === "read") {
      const checksums = await here.maker.read(request.pieces, (piece, target) =>
        outputOf(here, piece).readInto(target, piece.byteOffset),
      );
      host.post({ kind: "read", id, checksums });
      return;
    }
    const { job, tensors } = request;
    const results = await here.maker.make(job, tensors, async (piece, bytes) => {
      if (here.outputs !== undefined) return outputOf(here, piece).write(bytes, piece.byteOffset);
      // a copy, because the memory of kernels cannot be given away
      const copy = copyInto(spare.pop(), bytes);
      const isTaken = new Promise<void>((resolve) => taken.set(id, resolve));
      host.post({ kind: "piece", id, index: job.pieces.indexOf(piece), bytes: copy }, [copy.buffer]);
      await isTaken;
      taken.delete(id);
    });
    host.post({ kind: "made", id, results });
  }

  return (request) => {
    answer(request).catch((error: unknown) => {
      const id = request.kind === "make" || request.kind === "read" ? request.id : undefined;
      host.post({ kind: "failed", id, error: plainError(error) });
    });
  };
}

/** A copy in `memory` where that is large enough. */
function copyInto(memory: ArrayBuffer | undefined, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (memory === undefined || memory.byteLength < bytes.byteLength) return bytes.slice();
  const copy = new Uint8Array(memory, 0, bytes.byteLength);
  copy.set(bytes);
  return copy;
}

interface WorkerContext {
  readonly model: Model;
  readonly maker: PieceMaker;
  readonly outputs: readonly StagedBytes[] | undefined;
}

async function openContext(host: WorkerHost, setup: WorkerSetup): Promise<WorkerContext> {
  const { model: own, adapter, outputs, statistics: given, folding, ...work } = setup;
  const placed = (shared: SharedFile): StatisticsLocation => ({
    store: host.openStore(shared.address),
    file: shared.file,
  });
  const statistics = given === undefined ? undefined : placed(given);
  const stored = await openStored(host, own, adapter);
  const model = folding === undefined ? stored : foldedModel(stored, await readFolded(placed(folding)));
  return {
    model,
    maker: new PieceMaker(model, { ...work, statistics }),
    outputs:
      outputs === undefined
        ? undefined
        : await Promise.all(outputs.map(({ address, name }) => host.openStaged(address, name))),
  };
}

/** The model, with the adapter merged into it where there is one. */
async function openStored(
  host: WorkerHost,
  own: SharedModel,
  adapter: SharedModel | undefined,
): Promise<Model> {
  const model = await openShared(host, own);
  if (adapter === undefined) return model;
  const { mergedModel } = await import("../../plan/merge-adapter.ts");
  return mergedModel(model, await openShared(host, adapter));
}

async function openShared(host: WorkerHost, { source, file, limits, versions }: SharedModel): Promise<Model> {
  const model = await openModel({ store: host.openStore(source), file }, { limits });
  await refuseChangedSource(model, versions);
  return model;
}

function outputOf({ outputs }: WorkerContext, piece: Piece): StagedBytes {
  const output = outputs?.[piece.file];
  if (output === undefined) throw new IoError(`A worker has no file number ${piece.file}.`);
  return output;
}

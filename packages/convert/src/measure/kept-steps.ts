/**
 * A forward pass whose layers are kept on the disk one by one: an interrupted run goes on after the last that it has finished, to
 * the same numbers.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type {
  CollectedEntry,
  Decoder,
  DecoderSource,
  HiddenStates,
  StatisticsCollector,
} from "@requant/calibrate";
import { type Finding, IoError, type StagedFile, UnsupportedError, type WriteStore } from "@requant/core";
import { finding } from "../model/findings/finding.ts";
import { observeHead } from "./observe-head.ts";
import { type MeasureControl, StepCounter } from "./progress.ts";
import { handedOver, type StatesSize, stagedStates, statesByteLength } from "./states.ts";
import { joinedIds } from "./text-windows.ts";

/** Bytes of the sums of experts in memory; more lie in a working file. */
export const EXPERT_SUMS_BYTE_LENGTH: number = 2 ** 28;

/** Everything that decides the numbers, but not the weights and how they are computed. */
export function runOf({ shapes }: DecoderSource, windows: readonly Int32Array[]): string {
  const hash = sha256.create();
  hash.update(utf8ToBytes(JSON.stringify([...shapes])));
  hash.update(utf8ToBytes(`${windows.length} ${windows[0]?.length}`));
  const ids = joinedIds(windows);
  hash.update(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
  return bytesToHex(hash.digest());
}

/** @throws UnsupportedError for a store that keeps no working files */
export function stageOf(store: WriteStore): NonNullable<WriteStore["stage"]> {
  const stage = store.stage?.bind(store);
  if (stage !== undefined) return stage;
  throw new UnsupportedError("The file is written to a folder on a disk, and this is none.", {
    path: store.name,
  });
}

/** Hidden states before each step: two halves of a file in turn, so that an interrupted step has changed nothing that it reads. */
export function keptStates(file: StagedFile, size: StatesSize): (step: number) => HiddenStates {
  return (step) => stagedStates(file, (step % 2) * statesByteLength(size), size);
}

/** Bytes of the file of `keptStates`. */
export function keptStatesByteLength(size: StatesSize): number {
  return 2 * statesByteLength(size);
}

/** A pass, and where its hidden states lie. */
export interface Steps {
  readonly control: MeasureControl;
  readonly decoder: Decoder;
  readonly collector: StatisticsCollector;
  readonly windows: readonly Int32Array[];
  /** Steps that are done already. */
  readonly finished: number;
  /** After the layers, the inputs of the head. */
  readonly withHead: boolean;
  readonly withEmbedding: boolean;
  before(step: number): HiddenStates;
}

/** Does the steps that are left, and hands over what each has collected. */
export async function runSteps(
  { control, decoder, collector, windows, finished, withHead, withEmbedding, before }: Steps,
  finish: (step: number, entries: readonly CollectedEntry[]) => Promise<void>,
): Promise<void> {
  const count = decoder.layers + (withHead ? 1 : 0);
  const counter = new StepCounter(control, count, windows.length * (windows[0]?.length ?? 0));
  if (finished === 0) await decoder.embed(joinedIds(windows), before(0));
  for (let step = finished; step < count; step++) {
    counter.at(step);
    if (step < decoder.layers) {
      // the embeddings are read by the first layer's weights
      if (step === 0 && withEmbedding) await decoder.observeEmbedding();
      await decoder.runLayer(step, counter.watched(handedOver(before(step), before(step + 1)), step));
    } else await observeHead(decoder, before(step), counter);
    const entries = await collector.take();
    await finish(step, entries);
    for (const entry of entries) entry.release();
  }
  counter.at(count);
}

/** After a signal or a fault of the disk, a later run can go on. */
function isInterruption(error: unknown): boolean {
  return error instanceof IoError || (error instanceof Error && error.name === "AbortError");
}

/**
 * Ends the working files of a run that failed: they stay where a later run can go on with them.
 * @param begun false: what is in them was left by another run, and is its own
 * @param keep false: they are removed, whatever the failure
 */
export async function endFailed(
  files: readonly (StagedFile | undefined)[],
  error: unknown,
  {
    begun,
    keep = true,
    onFinding,
  }: {
    readonly begun: boolean;
    readonly keep?: boolean | undefined;
    readonly onFinding?: ((found: Finding) => void) | undefined;
  },
): Promise<void> {
  const keeps = !begun || (keep && isInterruption(error));
  for (const file of files) await (keeps ? file?.keep() : file?.discard());
  if (begun && keeps) onFinding?.(finding("kept", "The finished layers are kept beside the output."));
}

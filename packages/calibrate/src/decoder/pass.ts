import { FormatError } from "@requant/core";
import type { Compute } from "../compute/compute.ts";
import type { HiddenStates } from "../hidden-states.ts";
import type { Observer } from "../observer.ts";
import type { RopeTable } from "./rope.ts";
import type { Scratch } from "./scratch.ts";
import type { DecoderSettings } from "./settings.ts";
import type { DecoderSource } from "./source.ts";

/** What all steps of a forward pass share. */
export interface Pass {
  readonly source: DecoderSource;
  readonly settings: DecoderSettings;
  readonly compute: Compute;
  readonly observer: Observer | undefined;
  readonly scratch: Scratch;
  /** Tokens that are computed at once, rounded to whole windows; at least one window. */
  readonly batchTokens: number;
  /** Bytes of expert weights that are in memory at once; at least one expert. */
  readonly expertBytes: number;
  makeStates(windows: number, tokens: number, columns: number): HiddenStates;
  /** Cosines and sines for windows of so many tokens. */
  ropeTable(windowed: boolean, tokens: number): Promise<RopeTable>;
}

/** Windows that are computed together. */
export interface Batch {
  readonly first: number;
  readonly windows: number;
  /** Of all its windows. */
  readonly tokens: number;
}

export function batchesOf({ batchTokens }: Pick<Pass, "batchTokens">, states: HiddenStates): Batch[] {
  const each = Math.max(1, Math.floor(batchTokens / states.tokens));
  const batches: Batch[] = [];
  for (let first = 0; first < states.windows; first += each) {
    const windows = Math.min(each, states.windows - first);
    batches.push({ first, windows, tokens: windows * states.tokens });
  }
  return batches;
}

/** Reads a batch into one array: x[tokens, columns]. */
export async function readBatch(
  states: HiddenStates,
  { first, windows }: Batch,
  x: Float32Array,
): Promise<void> {
  const size = states.tokens * states.columns;
  for (let i = 0; i < windows; i++) await states.read(first + i, x.subarray(i * size, (i + 1) * size));
}

export async function writeBatch(
  states: HiddenStates,
  { first, windows }: Batch,
  x: Float32Array,
): Promise<void> {
  const size = states.tokens * states.columns;
  for (let i = 0; i < windows; i++) await states.write(first + i, x.subarray(i * size, (i + 1) * size));
}

/** @throws FormatError where the sum of the numbers is not finite */
export function refuseNotFinite(x: Float32Array, layer: number): void {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]!;
  if (Number.isFinite(sum)) return;
  throw new FormatError(`Layer ${layer} of the model computes infinite numbers or NaN.`, {
    reason: "not-finite",
    hint: "The weights are damaged, or the model needs a larger range than f32 has.",
  });
}

import type { PlanTensor } from "../plan.ts";

/** A tensor as a writer takes it: `data` is pulled once, and each piece is written before the next is asked for. */
export interface OutputTensor {
  readonly tensor: PlanTensor;
  readonly data: AsyncIterable<Uint8Array>;
}

/** A tensor as it stands in a finished file. */
export interface WrittenTensor {
  readonly encoding: string;
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** Little-endian bytes. */
  read(start: number, end: number): Promise<Uint8Array>;
}

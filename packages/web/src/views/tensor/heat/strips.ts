/** Rows of a tensor for its heat map: only those that can be seen are read, and the last read ones are kept. */
import type { Cells } from "../../../host/figures/scales.ts";

/** Reads rows `[start, end)`; each cell stands for `step` × `step` weights. */
export type ReadRows = (start: number, end: number, step: number, signal: AbortSignal) => Promise<Cells>;

/** Which strips of cells can be seen. */
export interface VisibleStrips {
  readonly step: number;
  /** Numbers of strips, half-open. */
  readonly first: number;
  readonly end: number;
}

/** Rows of cells in one strip: one reading. */
export const STRIP_HEIGHT = 32;

const KEPT_BYTES = 64 * 1024 * 1024;

export class Strips {
  readonly #rows: number;
  readonly #read: ReadRows;
  /** In the order of their last use. */
  readonly #kept = new Map<string, Cells>();
  #keptBytes = 0;
  #isReading = false;
  #visible: VisibleStrips = { step: 1, first: 0, end: 0 };
  #reading: { readonly step: number; readonly index: number; readonly abort: AbortController } | undefined;
  /** Called when rows have come, and when there is nothing more to read. */
  onChange: () => void = () => undefined;
  onError: (error: unknown) => void = () => undefined;

  constructor(rows: number, read: ReadRows) {
    this.#rows = rows;
    this.#read = read;
  }

  get isReading(): boolean {
    return this.#isReading;
  }

  strip(step: number, index: number): Cells | undefined {
    return this.#kept.get(keyOf(step, index));
  }

  /** Reads what is missing of these; a reading of rows that cannot be seen any more stops. */
  show(visible: VisibleStrips): void {
    this.#visible = visible;
    const reading = this.#reading;
    if (reading !== undefined && !isInside(visible, reading)) reading.abort.abort();
    void this.#readMissing();
  }

  stop(): void {
    this.#visible = { step: 1, first: 0, end: 0 };
    this.#reading?.abort.abort();
  }

  async #readMissing(): Promise<void> {
    if (this.#isReading) return;
    let missing = this.#firstMissing();
    if (missing === undefined) return;
    this.#isReading = true;
    this.onChange();
    while (missing !== undefined) {
      await this.#readOne(missing.step, missing.index);
      missing = this.#firstMissing();
    }
    this.#isReading = false;
    this.onChange();
  }

  #firstMissing(): { readonly step: number; readonly index: number } | undefined {
    const { step, first, end } = this.#visible;
    for (let index = first; index < end; index++) {
      if (!this.#kept.has(keyOf(step, index))) return { step, index };
    }
    return undefined;
  }

  async #readOne(step: number, index: number): Promise<void> {
    const abort = new AbortController();
    this.#reading = { step, index, abort };
    try {
      const start = index * STRIP_HEIGHT * step;
      const end = Math.min(this.#rows, start + STRIP_HEIGHT * step);
      this.#keep(keyOf(step, index), await this.#read(start, end, step, abort.signal));
    } catch (error) {
      if (!abort.signal.aborted) {
        this.#visible = { step: 1, first: 0, end: 0 };
        this.onError(error);
      }
    } finally {
      this.#reading = undefined;
      this.onChange();
    }
  }

  #keep(key: string, cells: Cells): void {
    this.#kept.set(key, cells);
    this.#keptBytes += cells.values.byteLength;
    for (const [old, { values }] of this.#kept) {
      if (this.#keptBytes <= KEPT_BYTES) return;
      const [step, index] = old.split(" ").map(Number);
      if (isInside(this.#visible, { step: step ?? 0, index: index ?? 0 })) continue;
      this.#kept.delete(old);
      this.#keptBytes -= values.byteLength;
    }
  }
}

const keyOf = (step: number, index: number): string => `${String(step)} ${String(index)}`;

function isInside(
  { step, first, end }: VisibleStrips,
  strip: { readonly step: number; readonly index: number },
): boolean {
  return strip.step === step && first <= strip.index && strip.index < end;
}

/** What the columns of a tensor hold: outliers stand out among them. */

export interface ColumnFigures {
  /** Root of the mean square of each column, over its finite values. */
  readonly rms: Float32Array<ArrayBuffer>;
  /** Largest magnitude of each column. */
  readonly largest: Float32Array<ArrayBuffer>;
}

/** Takes rows in any order. */
export class ColumnCounter {
  readonly #squares: Float64Array;
  readonly #counts: Uint32Array;
  readonly #largest: Float32Array<ArrayBuffer>;

  constructor(columns: number) {
    this.#squares = new Float64Array(columns);
    this.#counts = new Uint32Array(columns);
    this.#largest = new Float32Array(columns);
  }

  add(values: Float32Array): void {
    const columns = this.#squares.length;
    for (let at = 0; at < values.length; at += columns) {
      for (let column = 0; column < columns; column++) {
        const size = Math.abs(values[at + column]!);
        if (!Number.isFinite(size)) continue;
        this.#squares[column]! += size * size;
        this.#counts[column]! += 1;
        if (size > this.#largest[column]!) this.#largest[column] = size;
      }
    }
  }

  figures(): ColumnFigures {
    const counts = this.#counts;
    const rms = Float32Array.from(this.#squares, (sum, column) =>
      Math.sqrt(sum / Math.max(1, counts[column]!)),
    );
    return { rms, largest: this.#largest };
  }
}

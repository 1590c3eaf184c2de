/** How often each code of a weight occurs. */
import type { LevelView } from "@requant/core/view";

/** The codes of all columns that have codes of the same width. */
export interface CodeCounts {
  /** Bits of a code, where columns differ in that. */
  readonly bits: number | undefined;
  /** `counts[code]`: one for each code that the encoding has. */
  readonly counts: readonly number[];
  /** What each code stands for, where that is a number of a table. */
  readonly levels: readonly number[] | undefined;
}

const CODES = 256;

/** Takes the bands of one weight. */
export class CodeCounter {
  readonly #slotOfColumn: Uint16Array;
  readonly #widths: readonly number[];
  readonly #counts: Float64Array;
  #levels: Float32Array | undefined;

  /** @param bitsOfColumn where columns have codes of different widths */
  constructor(columns: number, bitsOfColumn: Uint8Array | undefined) {
    this.#widths = bitsOfColumn === undefined ? [] : [...new Set(bitsOfColumn)].sort((a, b) => a - b);
    this.#slotOfColumn = new Uint16Array(columns);
    bitsOfColumn?.forEach((bits, column) => {
      this.#slotOfColumn[column] = this.#widths.indexOf(bits) * CODES;
    });
    this.#counts = new Float64Array(CODES * Math.max(1, this.#widths.length));
  }

  add({ codes, columns, levels }: LevelView): void {
    const [counts, slots] = [this.#counts, this.#slotOfColumn];
    for (let at = 0; at < codes.length; at += columns) {
      for (let column = 0; column < columns; column++) counts[slots[column]! + codes[at + column]!]! += 1;
    }
    if (levels !== "integer") this.#levels = levels;
  }

  /** @param codeCount how many codes the encoding has, where one number tells; else as many as the widest that occurs needs */
  result(codeCount: number | undefined): CodeCounts[] {
    if (this.#widths.length > 0) {
      return this.#widths.map((bits, slot) => this.#countsOf(slot, bits, 2 ** bits));
    }
    return [this.#countsOf(0, undefined, this.#levels?.length ?? codeCount ?? this.#codesThatOccur())];
  }

  #countsOf(slot: number, bits: number | undefined, codeCount: number): CodeCounts {
    const counts = [...this.#counts.subarray(slot * CODES, slot * CODES + codeCount)];
    return { bits, counts, levels: this.#levels === undefined ? undefined : [...this.#levels] };
  }

  #codesThatOccur(): number {
    let last = CODES - 1;
    while (last > 0 && this.#counts[last] === 0) last--;
    return 2 ** Math.ceil(Math.log2(last + 1));
  }
}

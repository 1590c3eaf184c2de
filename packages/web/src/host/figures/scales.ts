/** The scales of a weight: what its codes are multiplied by, for each row and group of columns. */
import { commonGroups, type LevelView, spanIndex } from "@requant/core/view";

/** Numbers on a grid that is small enough to be shown: each cell stands for one or several neighbours. */
export interface Cells {
  readonly width: number;
  readonly height: number;
  /** Row by row. */
  readonly values: Float32Array<ArrayBuffer>;
}

/** Magnitudes of scales over the rows of one group of columns. */
export interface GroupScales {
  readonly smallest: number;
  readonly mean: number;
  readonly largest: number;
}

export interface ScaleFigures {
  readonly rows: number;
  /** For each column its group. */
  readonly groupOfColumn: Int32Array<ArrayBuffer>;
  readonly groups: readonly GroupScales[];
  readonly zeros: number;
  readonly negatives: number;
  /** The largest magnitude of each cell; rows of the weight run from left to right, groups from top to bottom. */
  readonly cells: Cells;
}

const MOST_CELLS = 512;

/** The groups as the weight numbers them, where it has one scale for each; else as they come. */
function groupsOf(band: LevelView): { readonly groupOfColumn: Int32Array; readonly groupCount: number } {
  const [factor, ...others] = band.factors;
  if (factor?.span.kind === "columns" && others.length === 0) return factor.span;
  return commonGroups({ ...band, offset: { kind: "none" } });
}

/** Takes the bands of one weight. */
export class ScaleCounter {
  readonly #rows: number;
  readonly #rowsPerCell: number;
  readonly #groupsPerCell: number;
  readonly #groupOfColumn: Int32Array<ArrayBuffer>;
  /** The first column of each group. */
  readonly #firsts: Int32Array;
  readonly #cells: Cells;
  readonly #smallest: Float64Array;
  readonly #largest: Float64Array;
  readonly #sums: Float64Array;
  #zeros = 0;
  #negatives = 0;

  /** @param band any rows of the weight, which show how its columns are grouped */
  constructor(rows: number, band: LevelView) {
    const { groupOfColumn, groupCount } = groupsOf(band);
    this.#rows = rows;
    this.#groupOfColumn = Int32Array.from(groupOfColumn);
    this.#firsts = new Int32Array(groupCount);
    for (let column = groupOfColumn.length - 1; column >= 0; column--) {
      this.#firsts[groupOfColumn[column]!] = column;
    }
    this.#rowsPerCell = Math.max(1, Math.ceil(rows / MOST_CELLS));
    this.#groupsPerCell = Math.max(1, Math.ceil(groupCount / MOST_CELLS));
    const width = Math.ceil(rows / this.#rowsPerCell);
    const height = Math.ceil(groupCount / this.#groupsPerCell);
    this.#cells = { width, height, values: new Float32Array(width * height) };
    this.#smallest = new Float64Array(groupCount).fill(Number.POSITIVE_INFINITY);
    this.#largest = new Float64Array(groupCount);
    this.#sums = new Float64Array(groupCount);
  }

  /** Rows of the weight from `rowStart` on. */
  add({ rows, columns, factors }: LevelView, rowStart: number): void {
    const { values, width } = this.#cells;
    for (let row = 0; row < rows; row++) {
      const across = Math.floor((rowStart + row) / this.#rowsPerCell);
      for (let group = 0; group < this.#firsts.length; group++) {
        let scale = 1;
        for (const { values: numbers, span } of factors) {
          scale = Math.fround(scale * numbers[spanIndex(span, row, this.#firsts[group]!, columns)]!);
        }
        const size = Math.abs(scale);
        if (scale === 0) this.#zeros += 1;
        if (scale < 0) this.#negatives += 1;
        if (size < this.#smallest[group]!) this.#smallest[group] = size;
        if (size > this.#largest[group]!) this.#largest[group] = size;
        this.#sums[group]! += size;
        const cell = Math.floor(group / this.#groupsPerCell) * width + across;
        if (size > values[cell]!) values[cell] = size;
      }
    }
  }

  figures(): ScaleFigures {
    const groups = Array.from(this.#firsts, (_, group) => ({
      smallest: this.#smallest[group]!,
      mean: this.#sums[group]! / this.#rows,
      largest: this.#largest[group]!,
    }));
    return {
      rows: this.#rows,
      groupOfColumn: this.#groupOfColumn,
      groups,
      zeros: this.#zeros,
      negatives: this.#negatives,
      cells: this.#cells,
    };
  }
}

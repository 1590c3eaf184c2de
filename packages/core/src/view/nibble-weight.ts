import { UsageError } from "../errors.ts";
import type { RowWeight } from "../format/linear-codec.ts";
import { sequentialGroups } from "./integer-view.ts";
import type { LevelView } from "./level-view.ts";
import { levelWeight } from "./level-weight.ts";

/** A weight of four-bit codes that are levels of a table: its small parts. */
export interface NibbleParameters {
  readonly rows: number;
  /** A multiple of `groupSize`. */
  readonly columns: number;
  /** The sixteen levels. */
  readonly levels: Float32Array;
  /** Consecutive columns that share a scale, an even number. */
  readonly groupSize: number;
  /** `scales[row × groups + group]`. */
  readonly scales: Float32Array;
}

/** An opened weight of four-bit codes. */
export type NibbleWeight = RowWeight & {
  /** The exact codes, levels and scales of the rows from `rowStart` up to, but without, `rowEnd`. */
  toLevels(rowStart: number, rowEnd: number): LevelView;
};

/**
 * An opened weight of four-bit codes, two in a byte with the even column in the low bits, each row in bytes of its own: MXFP4
 * and NVFP4 as most tools store them. value = scale × level[code].
 * @throws UsageError when the sizes do not belong together
 * @example
 * import { nibbleLevelWeight } from "@requant/core/format";
 * import { E2M1_VALUES } from "@requant/core/numeric";
 *
 * const parameters = { rows: 1, columns: 4, levels: E2M1_VALUES, groupSize: 4, scales: Float32Array.of(2) };
 * const weight = nibbleLevelWeight(parameters, Uint8Array.of(0x21, 0x43));
 * weight.dequantize(0, 1, new Float32Array(4)); // 1, 2, 3, 4
 */
export function nibbleLevelWeight(parameters: NibbleParameters, bytes: Uint8Array): NibbleWeight {
  checkNibbles(parameters, bytes.length);
  const { rows, columns, levels, groupSize, scales } = parameters;
  const groupCount = columns / groupSize;
  const span = { kind: "columns", groupCount, groupOfColumn: sequentialGroups(columns, groupSize) } as const;
  return levelWeight(
    {
      rows,
      columns,
      levels,
      factors: [{ values: scales, span }],
      offset: { kind: "none" },
      rounding: "none",
    },
    (rowStart, _rowEnd, codes) => {
      for (let to = 0, from = (rowStart * columns) / 2; to < codes.length; to += 2, from++) {
        const byte = bytes[from]!;
        codes[to] = byte & 15;
        codes[to + 1] = byte >>> 4;
      }
    },
  );
}

function checkNibbles(
  { rows, columns, levels, groupSize, scales }: NibbleParameters,
  byteLength: number,
): void {
  const groupCount = columns / groupSize;
  if (groupSize % 2 !== 0 || !Number.isInteger(groupCount)) {
    throw new UsageError(`${columns} columns are not whole groups of ${groupSize}, an even number.`);
  }
  if (levels.length !== 16 || scales.length !== rows * groupCount || byteLength !== (rows * columns) / 2) {
    throw new UsageError(
      `${levels.length} levels, ${scales.length} scales and ${byteLength} bytes do not fit [${rows}, ${columns}] in groups of ${groupSize}.`,
    );
  }
}

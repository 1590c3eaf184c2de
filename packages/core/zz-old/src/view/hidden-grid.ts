/** Grids that are found in plain floats. */

/** The float types that a grid can hide in. */
export type HidingType = "F32" | "BF16" | "F16";

/**
 * A grid that was found in plain floats: the steps that a quantizer left behind when its weights were stored as F32, BF16
 * or F16 again. Plain JSON, so that a plan can carry it.
 */
export interface HiddenGrid {
  /** "integer": codes around a zero point. Else the name of the table that codes are levels of. */
  readonly levels: "integer" | "E2M1" | "E4M3";
  readonly bits: number;
  /** Integers only: every zero point is the middle of the codes. */
  readonly symmetric: boolean;
  /** Rows and columns that share a scale. Columns: −1 is the whole row. */
  readonly blockRows: number;
  readonly blockColumns: number;
  /** What all scales are values of. E4M3: times `factor`. */
  readonly scale: "F16" | "BF16" | "F32" | "E8M0" | "E4M3";
  /** One more scale for the whole tensor (NVFP4). */
  readonly factor?: number | undefined;
  /** "none": scale × level is the stored float. A type: the stored float is that product rounded to the type. */
  readonly rounding: "none" | HidingType;
}

/** Magnitudes of E2M1 in halves, which are integers: 0, 0.5, 1, 1.5, 2, 3, 4 and 6 doubled. */
export const E2M1_HALVES: readonly number[] = [0, 1, 2, 3, 4, 6, 8, 12];

/** What a grid is, in words for people. */
export interface GridWords {
  /** "4-bit symmetric integers", "NVFP4". */
  readonly codes: string;
  /** What shares a scale: "groups of 128 columns". */
  readonly groups: string;
  /** "f16", "E8M0". */
  readonly scales: string;
  /** The type that each value was rounded to; undefined where the floats are the grid's own values. */
  readonly rounding: string | undefined;
}

const NAMES: Readonly<Record<HiddenGrid["levels"], (grid: HiddenGrid) => string>> = {
  integer: ({ bits, symmetric }) => `${bits}-bit ${symmetric ? "symmetric" : "asymmetric"} integers`,
  E2M1: ({ scale }) => (scale === "E8M0" ? "MXFP4" : "NVFP4"),
  E4M3: () => "FP8 E4M3",
};

/** The words of a grid one by one. */
export function gridWords(grid: HiddenGrid): GridWords {
  const { levels, scale, rounding, blockRows, blockColumns } = grid;
  const columns = blockColumns === -1 ? "one group per row" : `groups of ${blockColumns} columns`;
  return {
    codes: NAMES[levels](grid),
    groups: blockRows > 1 ? `blocks of ${blockRows} × ${blockColumns}` : columns,
    scales: scale === "E8M0" || scale === "E4M3" ? scale : scale.toLowerCase(),
    rounding: rounding === "none" ? undefined : rounding.toLowerCase(),
  };
}

/** One line for people: "4-bit symmetric integers, groups of 128 columns, f16 scales". */
export function describeGrid(grid: HiddenGrid): string {
  const { codes, groups, scales, rounding } = gridWords(grid);
  const rounded = rounding === undefined ? "" : `, each value rounded to ${rounding}`;
  return `${codes}, ${groups}, ${scales} scales${rounded}`;
}

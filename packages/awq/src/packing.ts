import { type ErrorPlace, FormatError } from "@requant/core";
import {
  type LinearLayout,
  type LinearPart,
  type PackedNibbles,
  type ScaleEncoding,
  scaleEncoding,
} from "@requant/core/format";
import type { AwqVersion } from "./config.ts";

/**
 * AWQ: 4-bit codes 0 to 15, zero points 0 to 15 stored as they are, groups of consecutive columns, no g_idx.
 * value = scale × (code − zero). The versions store the same numbers in different order.
 */
export interface AwqLayout extends LinearLayout {
  readonly version: AwqVersion;
  readonly groupCount: number;
  /** Columns per group, −1 for all. */
  readonly groupSize: number;
  readonly scale: ScaleEncoding;
}

/** What the configuration must state; an `AwqConfig` has these fields. */
export interface AwqClaims {
  readonly version: AwqVersion;
  readonly groupSize: number;
}

/** Scales and zero points of a band of rows: `[(row − rowStart) × groupCount + group]`. */
export interface AwqParameters {
  readonly scales: Float32Array;
  readonly zeros: Int16Array;
  /** The stored numbers of a version that stores scale × zero point, negated and rounded, in place of the zero point. */
  readonly offsets?: Float32Array;
}

/** Rows and columns whose codes are read. */
export interface CodeRectangle {
  readonly rowStart: number;
  readonly rowEnd: number;
  readonly columnStart: number;
  readonly columnEnd: number;
}

export type PartOf = (suffix: string) => Uint8Array;

/** What a version adds: its parts, and where each number is in them. */
export interface AwqPacking {
  readonly suffixes: readonly string[];
  /** Bands of rows are written from multiples of this on. */
  readonly rowMultiple: number;
  /** Codes are read from multiples of this on; "all": of whole rows only. */
  readonly columnMultiple: number | "all";
  /** True: the zero point is always 8 and not stored. */
  readonly symmetric: boolean;
  /** @throws FormatError when the shapes contradict each other */
  readLayout(parts: readonly LinearPart[], claims: AwqClaims, place: ErrorPlace): AwqLayout;
  /** @throws FormatError when the packing cannot hold a weight of this shape */
  parts(layout: AwqLayout): LinearPart[];
  /** All rows. */ readParameters(layout: AwqLayout, part: PartOf): AwqParameters;
  /** The packed codes, where a kernel can read them; without the groups of columns, which are the same in all versions. */
  readNibbles?(layout: AwqLayout, part: PartOf): Omit<PackedNibbles, "groupOfColumn"> | undefined;
  writeParameters(
    layout: AwqLayout,
    parameters: AwqParameters,
    rowStart: number,
    rowEnd: number,
    part: PartOf,
  ): void;
  unpackCodes(layout: AwqLayout, qweight: Uint8Array, part: CodeRectangle, codes: Uint8Array): void;
  packCodes(
    layout: AwqLayout,
    codes: Uint8Array,
    rowStart: number,
    rowEnd: number,
    qweight: Uint8Array,
  ): void;
}

/** The two sizes of a matrix. @throws FormatError for another shape or another encoding */
export function matrixShape(
  part: LinearPart,
  encoding: string | undefined,
  place: ErrorPlace,
): [number, number] {
  const [outer, inner] = part.shape;
  if (part.shape.length !== 2 || !outer || !inner || (encoding !== undefined && part.encoding !== encoding)) {
    throw new FormatError(
      `The part ${part.suffix} is ${part.encoding} [${part.shape.join(", ")}]; ${encoding ?? "floats"} in a matrix were expected.`,
      place,
    );
  }
  return [outer, inner];
}

/** The scales' sizes and encoding. @throws FormatError when a size is not the expected one */
export function scaleShape(
  part: LinearPart,
  expected: readonly [number | undefined, number | undefined],
  place: ErrorPlace,
): [number, number, ScaleEncoding] {
  const shape = matrixShape(part, undefined, place);
  if (expected.some((size, i) => size !== undefined && size !== shape[i])) {
    throw new FormatError(
      `The part ${part.suffix} is [${shape.join(", ")}]; [${expected.map((size) => size ?? "groups").join(", ")}] was expected.`,
      place,
    );
  }
  return [...shape, scaleEncoding(part, place)];
}

/** @throws FormatError unless rows and columns are multiples of the given numbers */
export function checkMultiples(
  layout: AwqLayout,
  rowMultiple: number,
  columnMultiple: number,
  place: ErrorPlace = {},
): void {
  const { rows, columns, groupCount, groupSize, version } = layout;
  if (rows % rowMultiple !== 0 || columns % columnMultiple !== 0) {
    throw new FormatError(
      `A weight of [${rows}, ${columns}] cannot be packed as AWQ ${version}: multiples of [${rowMultiple}, ${columnMultiple}] can.`,
      { hint: "Leave this weight in a float type (modules_to_not_convert).", ...place },
    );
  }
  const size = groupSize === -1 ? columns : groupSize;
  if (columns % size !== 0 || columns / size !== groupCount) {
    throw new FormatError(
      `${columns} columns are not ${groupCount} groups of ${size}; AWQ has no short last group.`,
      place,
    );
  }
}

import type { ErrorPlace } from "../errors.ts";
import { FormatError } from "../errors.ts";
import { floatToHalf, halfToFloat } from "../numeric/half.ts";
import { transposed } from "../numeric/transposed.ts";
import { groupSizeOf, type IntegerView } from "./integer-view.ts";
import { groupSeams, isScattered, NO_VALUES, sharedBlockSize } from "./shared-blocks.ts";

/**
 * What decides whether another layout can hold a view exactly. All but the offsets is known from the small stored parts
 * (scales, zero points, group index), a few percent of a weight, so a plan need not read the codes. Plain JSON.
 */
export interface ViewFacts {
  readonly rows: number;
  readonly columns: number;
  readonly groupCount: number;
  /** Columns per group; undefined when groups are not consecutive and equal. */
  readonly groupSize: number | undefined;
  /** True when the columns of one group do not stand together: act-order. */
  readonly scattered: boolean;
  /** The largest of 256, 128, 64, 32, 16 and 1 such that aligned blocks of so many columns share one scale in every row. */
  readonly scaleBlockSize: number;
  /** The same for the zero point. */
  readonly zeroBlockSize: number;
  /** Codes are 0 to this. */
  readonly maxCode: number;
  readonly minZero: number;
  readonly maxZero: number;
  /** Smallest and largest code minus zero point that the zero points allow, or that occur where codes were read. */
  readonly minOffset: number;
  readonly maxOffset: number;
  /** Every zero point is the middle of the code range. */
  readonly symmetric: boolean;
  readonly hasNegativeScales: boolean;
  /** Every scale is an f16 value. */
  readonly scalesAreHalf: boolean;
  /** Every scale is a bf16 value. */
  readonly scalesAreBfloat: boolean;
  /** Every scale × zero point is an f16 value. */
  readonly offsetsAreHalf: boolean;
  readonly rounding: "none" | "f16";
  /**
   * "rounded": the file stores scale × zero point rounded, in place of the zero point (AWQ's gemv_fast, llm-awq), so that
   * its own values differ from the view's by that rounding.
   */
  readonly storedOffsets: "integer" | "rounded";
  /** Set where the file stores each value rounded to this float type, and no layout's reader rounds so: a hidden grid. */
  readonly storedValues?: "BF16" | undefined;
  /** Name of a table (`E2M1`) where every code minus its zero point is a level of it, or twice a level. */
  readonly table?: string | undefined;
  /** Set where every scale is such a number, as are halves of them where the levels are counted twice. */
  readonly scaleType?: ScaleNumbers | "both" | undefined;
  /** Consecutive rows, counted from the first, that have the same scales; absent: each row has its own. */
  readonly scaleRows?: number | undefined;
  /** Set where the view has floats as offsets: then no integer is a zero point, and the facts about zero points say nothing. */
  readonly bias?: { readonly areHalf: boolean; readonly areBfloat: boolean } | undefined;
}

/** Scales of 8 bits: E8M0, a power of two; E4M3, a float without its sign. */
export type ScaleNumbers = "E8M0" | "E4M3";

/** A view but for its codes: what `viewFacts` needs. */
export type ViewParameters = Omit<IntegerView, "codes">;

/** The same numbers in the order in which most formats store them. */
export interface GroupedParameters extends Omit<ViewParameters, "scales" | "zeros"> {
  /** `groupScales[group × rows + row]`. */
  readonly groupScales: Float32Array;
  /** `groupZeros[group × rows + row]`. */
  readonly groupZeros: Int16Array;
  /** The scales as they are stored, where that is f16: facts are then found without an array of floats. */
  readonly groupHalves?: Uint16Array | undefined;
  /** The zero point that all groups have, where it is known: facts are then found without an array of them. */
  readonly onlyZero?: number | undefined;
}

/** The view's own order, made of scales or zero points when they are first asked for. */
export function parametersByRow(parameters: GroupedParameters): ViewParameters {
  const { rows, columns, groupCount, groupOfColumn, rounding } = parameters;
  let scales: Float32Array | undefined;
  let zeros: Int16Array | undefined;
  return {
    rows,
    columns,
    groupCount,
    groupOfColumn,
    get scales() {
      scales ??= transposed(parameters.groupScales, groupCount, rows);
      return scales;
    },
    get zeros() {
      zeros ??= transposed(parameters.groupZeros, groupCount, rows);
      return zeros;
    },
    rounding,
  };
}

/**
 * Facts of a view from its small parts; `maxCode` is the largest code its layout can store.
 * @throws FormatError when a scale is not finite
 */
export function viewFacts(
  view: ViewParameters,
  maxCode: number,
  place: ErrorPlace = {},
  find: FindParameterFacts = parameterFacts,
): ViewFacts {
  const { groupCount, scales, zeros } = view;
  const arrays = { scales, zeros, groupStep: 1, rowStep: groupCount, isByGroup: false };
  return factsOf(view, arrays, maxCode, find(arrays, place));
}

/** As `viewFacts`. */
export function groupedFacts(
  parameters: GroupedParameters,
  maxCode: number,
  place: ErrorPlace = {},
  find: FindParameterFacts = parameterFacts,
): ViewFacts {
  const arrays = arraysOf(parameters);
  return factsOf(parameters, arrays, maxCode, find(arrays, place));
}

/**
 * The facts that depend on the set of all scales and zero points, not on their columns. @throws FormatError when a scale
 * is not finite
 */
export function groupedRanges(
  parameters: GroupedParameters,
  place: ErrorPlace = {},
  find: FindParameterFacts = parameterFacts,
): ParameterFacts {
  return find(arraysOf(parameters), place);
}

/** Scales and zero points in any order. */
export interface ParameterArrays {
  readonly scales: Float32Array;
  readonly zeros: Int16Array;
  /** The scales as f16, where they are stored so. */
  readonly halves?: Uint16Array | undefined;
  /** The zero point that all have, where it is known. */
  readonly onlyZero?: number | undefined;
  readonly groupStep: number;
  readonly rowStep: number;
  readonly isByGroup: boolean;
}

/** Arrays that are made on first use are not made here. */
function arraysOf(parameters: GroupedParameters): ParameterArrays {
  return {
    get scales() {
      return parameters.groupScales;
    },
    get zeros() {
      return parameters.groupZeros;
    },
    halves: parameters.groupHalves,
    onlyZero: parameters.onlyZero,
    groupStep: parameters.rows,
    rowStep: 1,
    isByGroup: true,
  };
}

/** The part of `ViewFacts` that depends on scales and zero points, but not on their columns. */
export interface ParameterFacts {
  readonly minZero: number;
  readonly maxZero: number;
  readonly hasNegativeScales: boolean;
  readonly scalesAreHalf: boolean;
  readonly scalesAreBfloat: boolean;
  readonly offsetsAreHalf: boolean;
}

/** Finds these facts. @throws FormatError when a scale is not finite */
export type FindParameterFacts = (arrays: ParameterArrays, place: ErrorPlace) => ParameterFacts;

function factsOf(
  view: Omit<ViewParameters, "scales" | "zeros">,
  arrays: ParameterArrays,
  maxCode: number,
  parameters: ParameterFacts,
): ViewFacts {
  const { rows, columns, groupCount, groupOfColumn, rounding } = view;
  const seams = groupSeams(groupOfColumn);
  const isOneZero = parameters.minZero === parameters.maxZero;
  return {
    rows,
    columns,
    groupCount,
    groupSize: groupSizeOf(groupOfColumn),
    scattered: isScattered(groupOfColumn),
    scaleBlockSize: sharedBlockSize(rows, columns, seams, arrays, arrays.halves ?? arrays.scales),
    zeroBlockSize: isOneZero
      ? sharedBlockSize(rows, columns, [], arrays, NO_VALUES)
      : sharedBlockSize(rows, columns, seams, arrays, arrays.zeros),
    maxCode,
    minOffset: -parameters.maxZero,
    maxOffset: maxCode - parameters.minZero,
    symmetric: isOneZero && parameters.minZero === (maxCode + 1) / 2,
    ...parameters,
    rounding,
    storedOffsets: "integer",
  };
}

/** @throws FormatError when a scale is not finite */
export function parameterFacts(
  { scales, zeros, groupStep, rowStep, isByGroup }: ParameterArrays,
  place: ErrorPlace,
): ParameterFacts {
  let minZero = zeros[0] ?? 0;
  let maxZero = minZero;
  let hasNegativeScales = false;
  let scalesAreHalf = true;
  let scalesAreBfloat = true;
  let offsetsAreHalf = true;
  for (let i = 0; i < scales.length; i++) {
    const scale = scales[i]!;
    const zero = zeros[i]!;
    if (!Number.isFinite(scale)) {
      const [row, group] = isByGroup
        ? [i % groupStep, Math.floor(i / groupStep)]
        : [Math.floor(i / rowStep), i % rowStep];
      throw new FormatError(
        `The scale of row ${row}, group ${group} is ${scale}, not a finite number.`,
        place,
      );
    }
    if (zero < minZero) minZero = zero;
    if (zero > maxZero) maxZero = zero;
    if (scale < 0) hasNegativeScales = true;
    if (scalesAreHalf && !isHalf(scale)) scalesAreHalf = false;
    if (scalesAreBfloat && !isBfloat(scale)) scalesAreBfloat = false;
    if (offsetsAreHalf && !isHalf(scale * zero)) offsetsAreHalf = false;
  }
  return { minZero, maxZero, hasNegativeScales, scalesAreHalf, scalesAreBfloat, offsetsAreHalf };
}

/** The facts with the offsets that really occur in the codes: the only part that needs them. */
export function withMeasuredOffsets(facts: ViewFacts, view: IntegerView): ViewFacts {
  const { rows, columns, groupCount, groupOfColumn, codes, zeros } = view;
  let minOffset = Infinity;
  let maxOffset = -Infinity;
  for (let row = 0, at = 0; row < rows; row++) {
    const groups = row * groupCount;
    for (let column = 0; column < columns; column++, at++) {
      const offset = codes[at]! - zeros[groups + groupOfColumn[column]!]!;
      if (offset < minOffset) minOffset = offset;
      if (offset > maxOffset) maxOffset = offset;
    }
  }
  return rows * columns === 0 ? facts : { ...facts, minOffset, maxOffset };
}

const floatScratch = new Float32Array(1);
const bitScratch = new Uint32Array(floatScratch.buffer);

/**
 * The product with one of these takes the last bits of a double away, so that 11 and 8 significant bits are left when the
 * number is taken off again (T. J. Dekker's splitting). Arithmetic alone is much faster than looking at bits in memory.
 */
const ELEVEN_BITS = 2 ** 42 + 1;
const EIGHT_BITS = 2 ** 45 + 1;

function hasBits(value: number, split: number): boolean {
  const wide = value * split;
  return wide - (wide - value) === value;
}

/** True for a number that an f16 holds exactly. */
export function isHalf(value: number): boolean {
  const magnitude = Math.abs(value);
  if (magnitude >= 2 ** -14 && magnitude < 65536) return hasBits(value, ELEVEN_BITS);
  floatScratch[0] = value;
  return floatScratch[0] === value && halfToFloat(floatToHalf(value)) === value;
}

/** True for a number that a bf16 holds exactly. */
export function isBfloat(value: number): boolean {
  const magnitude = Math.abs(value);
  if (magnitude >= 2 ** -126 && magnitude < 2 ** 127) return hasBits(value, EIGHT_BITS);
  floatScratch[0] = value;
  return floatScratch[0] === value && (bitScratch[0]! & 0xffff) === 0;
}

import { UsageError } from "../errors.ts";
import { type GridFacts, isBfloat, isHalf } from "./facts.ts";
import { type Grid, sequentialGroups } from "./grid.ts";

/** What a layout can hold, as data, so that a plan and an encoder ask the same question. */
export interface GridRequirement {
  /** For messages: "Q4_0", "GPTQ with 4 bits and groups of 128". */
  readonly name: string;
  /** Consecutive columns that share a zero point; −1: all; "any": each column names its group (g_idx). */
  readonly blockSize: number | "any";
  /** Consecutive columns that share a scale where that differs: a K-quant's super-block. */
  readonly scaleBlockSize?: number;
  /** True: the last block of a row may be short. */
  readonly shortLastBlock: boolean;
  readonly codes: CodeRange;
  readonly scale: "F16" | "BF16" | "F32";
  /** The layout stores scale × zero point as f16 (Q4_1). */
  readonly offsetIsHalf?: boolean;
  /** The layout's own arithmetic rounds values to f16, so a grid that does keeps its values there. */
  readonly roundsToHalf: boolean;
}

/** Codes around a fixed zero, `min` to `max`; or 0 to `maxCode` with a zero point of its own for each block. */
export type CodeRange =
  | { readonly kind: "signed"; readonly min: number; readonly max: number }
  | { readonly kind: "affine"; readonly maxCode: number; readonly minZero: number; readonly maxZero: number };

/** Why a grid does not fit, in words for people, and what would. */
export interface Misfit {
  readonly reason: string;
  readonly hint?: string;
}

/**
 * The same layout where its scales and offsets may be rounded to what it stores: the codes stay. A grid that fits this
 * and not the requirement itself is converted with fidelity "rounded".
 */
export function roundingAllowed(requirement: GridRequirement): GridRequirement {
  return { ...requirement, scale: "F32", offsetIsHalf: false, roundsToHalf: true };
}

/** Why a layout cannot hold every grid with these facts; undefined when it can. Never says yes wrongly. */
export function gridMisfit(facts: GridFacts, requirement: GridRequirement): Misfit | undefined {
  return (
    shapeMisfit(facts, requirement) ??
    groupMisfit(facts, requirement) ??
    scaleMisfit(facts, requirement) ??
    codeMisfit(facts, requirement)
  );
}

function shapeMisfit({ columns }: GridFacts, requirement: GridRequirement): Misfit | undefined {
  const { blockSize, scaleBlockSize, shortLastBlock, name } = requirement;
  if (blockSize === "any" || blockSize === -1 || shortLastBlock) return undefined;
  const size = scaleBlockSize ?? blockSize;
  if (columns % size === 0) return undefined;
  return {
    reason: `rows of ${columns} columns are not whole blocks of ${size} columns, which ${name} is made of`,
  };
}

function groupMisfit(facts: GridFacts, requirement: GridRequirement): Misfit | undefined {
  const { blockSize, scaleBlockSize, name } = requirement;
  if (blockSize === "any") return undefined;
  const scaleSize = scaleBlockSize ?? blockSize;
  if (shares(facts, facts.scaleBlockSize, scaleSize) && zerosFit(facts, requirement)) return undefined;
  const size = scaleSize === -1 ? facts.columns : scaleSize;
  if (facts.scattered) {
    return {
      reason: `act-order mixes groups inside each block of ${size} columns`,
      hint: "A target that stores a group per column (GPTQ or compressed-tensors with act-order) keeps the values, and so does a float type.",
    };
  }
  return {
    reason:
      facts.groupSize === undefined
        ? `groups of different sizes share a block of ${size} columns, which has one scale in ${name}`
        : `groups of ${facts.groupSize} columns are smaller than the ${size} columns that share a scale in ${name}`,
    hint: "A layout with smaller blocks or groups keeps the values.",
  };
}

/** True when aligned runs of `size` columns share their value; `shared` is the measured block size. */
function shares({ groupSize, columns }: GridFacts, shared: number, size: number): boolean {
  if (groupSize !== undefined && groupSize >= columns) return true;
  if (size === -1) return false;
  return shared % size === 0 || (groupSize !== undefined && groupSize % size === 0);
}

function zerosFit(facts: GridFacts, { blockSize, codes }: GridRequirement): boolean {
  if (blockSize === "any" || codes.kind === "signed") return true;
  return shares(facts, facts.zeroBlockSize, blockSize) || commonZero(facts, codes) !== undefined;
}

/** True when every group can keep its zero point. */
function ownZerosFit(facts: GridFacts, { blockSize, codes }: GridRequirement): boolean {
  if (codes.kind === "signed") return true;
  const { maxCode, minZero, maxZero, zeroBlockSize } = facts;
  return (
    maxCode <= codes.maxCode &&
    minZero >= codes.minZero &&
    maxZero <= codes.maxZero &&
    (blockSize === "any" || shares(facts, zeroBlockSize, blockSize))
  );
}

function scaleMisfit(facts: GridFacts, requirement: GridRequirement): Misfit | undefined {
  const { scale, name, offsetIsHalf, roundsToHalf } = requirement;
  if (scale === "F16" && !facts.scalesAreHalf) {
    return { reason: `some scales are not f16 values, and ${name} stores f16 scales` };
  }
  if (scale === "BF16" && !facts.scalesAreBfloat) {
    return { reason: `some scales are not bf16 values, and ${name} is to store bf16 scales` };
  }
  // the facts speak of the zero points as they are, so these must be the ones that get stored
  if (offsetIsHalf && !(facts.offsetsAreHalf && ownZerosFit(facts, requirement))) {
    return {
      reason: `${name} stores scale × zero point as one f16 number, which must round some of them`,
      hint: "Q5_0 and, for groups of 256, Q4_K hold every zero point exactly.",
    };
  }
  if (facts.rounding === "f16" && !roundsToHalf) {
    return {
      reason: `each weight is rounded to f16 after its multiplication, which ${name} does not do`,
      hint: "F16 holds these values exactly.",
    };
  }
  return undefined;
}

function codeMisfit(facts: GridFacts, requirement: GridRequirement): Misfit | undefined {
  const { codes, name } = requirement;
  const { minOffset, maxOffset, maxCode, minZero, maxZero } = facts;
  if (codes.kind === "signed") {
    if (minOffset >= codes.min && maxOffset <= codes.max) return undefined;
    return {
      reason: `codes minus zero points reach ${minOffset}…${maxOffset}, and ${name} holds ${codes.min}…${codes.max}`,
    };
  }
  if (ownZerosFit(facts, requirement) || commonZero(facts, codes) !== undefined) return undefined;
  return maxCode > codes.maxCode
    ? { reason: `codes reach ${maxCode}, and ${name} holds 0…${codes.maxCode}` }
    : {
        reason: `zero points reach ${minZero}…${maxZero}, and ${name} holds ${codes.minZero}…${codes.maxZero}`,
      };
}

/** A zero point with which all offsets of a range become codes; undefined when there is none. */
function commonZero(
  { minOffset, maxOffset }: { readonly minOffset: number; readonly maxOffset: number },
  codes: CodeRange & { readonly kind: "affine" },
): number | undefined {
  const zero = Math.max(-minOffset, codes.minZero);
  return zero <= Math.min(codes.maxZero, codes.maxCode - maxOffset) ? zero : undefined;
}

/** What fits, or why it does not. */
export type GridFit =
  | { readonly grid: Grid; readonly misfit?: undefined }
  | { readonly grid?: undefined; readonly misfit: Misfit };

/** Whether no code is larger than `maxCode`. */
export type NoCodeAbove = (codes: Uint8Array, maxCode: number) => boolean;

/** Looks at every code. */
export function noCodeIsAbove(codes: Uint8Array, maxCode: number): boolean {
  for (let i = 0; i < codes.length; i++) if (codes[i]! > maxCode) return false;
  return true;
}

/**
 * The same values in a layout's own terms: its groups, its zero points, codes in its range. Looks at every code, so it
 * may fit a grid whose facts alone promise nothing. Groups are split freely, and merged where their scales are equal.
 */
export function fitGrid(
  grid: Grid,
  requirement: GridRequirement,
  noCodeAbove: NoCodeAbove = noCodeIsAbove,
): GridFit {
  const { rows, columns } = grid;
  const { blockSize, scaleBlockSize, shortLastBlock, codes: range, name } = requirement;
  if (grid.rounding === "f16" && !requirement.roundsToHalf) {
    return {
      misfit: {
        reason: `each weight is rounded to f16 after its multiplication, which ${name} does not do`,
        hint: "F16 holds these values exactly.",
      },
    };
  }
  const whole = scaleBlockSize ?? (blockSize === "any" || blockSize === -1 ? 1 : blockSize);
  if (!shortLastBlock && columns % whole !== 0) {
    return {
      misfit: {
        reason: `rows of ${columns} columns are not whole blocks of ${whole} columns, which ${name} is made of`,
      },
    };
  }
  if (isFitted(grid, requirement, noCodeAbove)) return { grid };
  const groupOfColumn = blockSize === "any" ? grid.groupOfColumn : sequentialGroups(columns, blockSize);
  const groupCount = blockSize === "any" ? grid.groupCount : (groupOfColumn[columns - 1] ?? -1) + 1;
  const scales = new Float32Array(rows * groupCount);
  const zeros = new Int16Array(rows * groupCount);
  const codes = new Uint8Array(rows * columns);
  const minOffsets = new Int16Array(groupCount);
  const maxOffsets = new Int16Array(groupCount);
  const seen = new Uint8Array(groupCount);
  for (let row = 0; row < rows; row++) {
    const from = row * columns;
    const source = row * grid.groupCount;
    const target = row * groupCount;
    seen.fill(0);
    for (let column = 0; column < columns; column++) {
      const group = groupOfColumn[column]!;
      const sourceGroup = source + grid.groupOfColumn[column]!;
      const scale = grid.scales[sourceGroup]!;
      const offset = grid.codes[from + column]! - grid.zeros[sourceGroup]!;
      if (seen[group] === 0) {
        seen[group] = 1;
        scales[target + group] = scale;
        zeros[target + group] = grid.zeros[sourceGroup]!;
        minOffsets[group] = offset;
        maxOffsets[group] = offset;
      } else {
        if (scales[target + group] !== scale) return { misfit: mixedScales(grid, requirement, row, column) };
        if (offset < minOffsets[group]!) minOffsets[group] = offset;
        if (offset > maxOffsets[group]!) maxOffsets[group] = offset;
      }
    }
    for (let group = 0; group < groupCount; group++) {
      const scale = scales[target + group]!;
      if (seen[group] === 0) {
        // a group without columns, which a file may have: nothing depends on it
        zeros[target + group] = range.kind === "signed" ? -range.min : range.minZero;
        continue;
      }
      const misfit = scaleValueMisfit(scale, requirement, row);
      if (misfit !== undefined) return { misfit };
      const zero = zeroFor(range, zeros[target + group]!, minOffsets[group]!, maxOffsets[group]!);
      if (zero === undefined) {
        return {
          misfit: {
            reason: `row ${row} has codes minus zero points of ${minOffsets[group]}…${maxOffsets[group]} in one group, which ${name} does not hold`,
          },
        };
      }
      if (requirement.offsetIsHalf && !isHalf(scale * zero)) {
        return {
          misfit: {
            reason: `${name} stores scale × zero point as one f16 number, which must round it in row ${row}`,
            hint: "Q5_0 and, for groups of 256, Q4_K hold every zero point exactly.",
          },
        };
      }
      zeros[target + group] = zero;
    }
    if (scaleBlockSize !== undefined && typeof blockSize === "number") {
      const perScale = scaleBlockSize / blockSize;
      for (let group = 0; group < groupCount; group++) {
        if (scales[target + group] !== scales[target + group - (group % perScale)]) {
          return { misfit: mixedScales(grid, requirement, row, group * blockSize) };
        }
      }
    }
    for (let column = 0; column < columns; column++) {
      const sourceGroup = source + grid.groupOfColumn[column]!;
      codes[from + column] =
        grid.codes[from + column]! - grid.zeros[sourceGroup]! + zeros[target + groupOfColumn[column]!]!;
    }
  }
  return {
    grid: { rows, columns, groupCount, groupOfColumn, codes, scales, zeros, rounding: grid.rounding },
  };
}

/** True for a grid that is already in the layout's terms: nothing would change. */
function isFitted(grid: Grid, requirement: GridRequirement, noCodeAbove: NoCodeAbove): boolean {
  const { blockSize, scaleBlockSize, codes: range, offsetIsHalf } = requirement;
  if (scaleBlockSize !== undefined || offsetIsHalf) return false;
  const { columns, groupOfColumn, codes, scales, zeros } = grid;
  const size = blockSize === -1 ? columns : blockSize;
  if (size !== "any" && !isSequential(groupOfColumn, size)) return false;
  const [min, max] = range.kind === "signed" ? [-range.min, -range.min] : [range.minZero, range.maxZero];
  const maxCode = range.kind === "signed" ? range.max - range.min : range.maxCode;
  for (let i = 0; i < scales.length; i++) {
    if (zeros[i]! < min || zeros[i]! > max) return false;
    if (scaleValueMisfit(scales[i]!, requirement, 0) !== undefined) return false;
  }
  return noCodeAbove(codes, maxCode);
}

function isSequential(groupOfColumn: Int32Array, size: number): boolean {
  for (let start = 0, group = 0; start < groupOfColumn.length; start += size, group++) {
    const end = Math.min(start + size, groupOfColumn.length);
    for (let column = start; column < end; column++) if (groupOfColumn[column] !== group) return false;
  }
  return true;
}

/** The zero point that a group gets: its own where that serves, else one with which all its codes fit. */
function zeroFor(range: CodeRange, own: number, minOffset: number, maxOffset: number): number | undefined {
  if (range.kind === "signed") {
    return minOffset >= range.min && maxOffset <= range.max ? -range.min : undefined;
  }
  const fits =
    own >= range.minZero && own <= range.maxZero && minOffset + own >= 0 && maxOffset + own <= range.maxCode;
  return fits ? own : commonZero({ minOffset, maxOffset }, range);
}

function scaleValueMisfit(
  scale: number,
  { scale: encoding, name }: GridRequirement,
  row: number,
): Misfit | undefined {
  if (Number.isFinite(scale)) {
    if (encoding === "F32" || (encoding === "F16" ? isHalf(scale) : isBfloat(scale))) return undefined;
    return {
      reason: `the scale ${scale} of row ${row} is no ${encoding.toLowerCase()} value, and ${name} stores those`,
    };
  }
  return { reason: `a scale of row ${row} is ${scale}, not a finite number` };
}

function mixedScales(
  grid: Grid,
  { blockSize, scaleBlockSize, name }: GridRequirement,
  row: number,
  column: number,
): Misfit {
  const size = scaleBlockSize ?? blockSize;
  const block = size === -1 || size === "any" ? grid.columns : size;
  const scattered = grid.groupOfColumn.some((group, i) => i > 0 && group < grid.groupOfColumn[i - 1]!);
  return scattered
    ? {
        reason: `act-order mixes groups inside each block of ${block} columns`,
        hint: "A target that stores a group per column (GPTQ or compressed-tensors with act-order) keeps the values, and so does a float type.",
      }
    : {
        reason: `different scales meet inside a block of ${block} columns (row ${row}, column ${column}), which has one scale in ${name}`,
        hint: "A layout with smaller blocks or groups keeps the values.",
      };
}

/** The fitted grid, for encoders that were promised a fit. @throws UsageError with the reason when there is none */
export function fittedGrid(grid: Grid, requirement: GridRequirement, noCodeAbove?: NoCodeAbove): Grid {
  const fit = fitGrid(grid, requirement, noCodeAbove);
  if (fit.grid !== undefined) return fit.grid;
  throw new UsageError(`This grid does not fit ${requirement.name}: ${fit.misfit.reason}.`);
}

import type { ScaleNumbers, ViewFacts } from "./facts.ts";

/** What a layout can hold, as data, so that a plan and an encoder ask the same question. */
export interface ViewRequirement {
  /** The name for messages: "Q4_0", "GPTQ with 4 bits and groups of 128". */
  readonly name: string;
  /** Consecutive columns that share a zero point; −1: all; "any": each column names its group (g_idx). */
  readonly blockSize: number | "any";
  /** Consecutive columns that share a scale where that differs: a K-quant's super-block. */
  readonly scaleBlockSize?: number;
  /** Rows have a whole multiple of so many columns, where blocks are stored several together (NVFP4: four). */
  readonly columnMultiple?: number;
  /** Consecutive rows, counted from the first, that share their scales; absent: each row has its own. */
  readonly scaleRows?: number;
  /** True: the last block of a row may be short. */
  readonly shortLastBlock: boolean;
  readonly codes: CodeRange;
  readonly scale: "F16" | "BF16" | "F32" | ScaleNumbers;
  /**
   * Set where the layout stores a bias in place of a zero point (Q4_1): integers fit where scale × zero point is such a
   * number, and so do biases that are no whole multiples of their scale. "F32": any.
   */
  readonly bias?: "F16" | "BF16" | "F32";
  /** Set where readers count the zero points from the stored biases, so that only whole multiples of a scale fit. */
  readonly wholeBias?: true;
  /**
   * Set where the layout stores one more number for the whole weight, beside the scales of its blocks, and what its readers
   * do with them: scale × number, or scale ÷ number.
   */
  readonly tensorScale?: "multiplied" | "divided";
  /** True where the layout's own arithmetic rounds values to f16, so that a view with that rounding keeps its values. */
  readonly roundsToHalf: boolean;
}

/**
 * Codes around a fixed zero, `min` to `max`; or 0 to `maxCode` with a zero point of its own for each block; or the levels of
 * a table, whose codes are kept as they are.
 */
export type CodeRange =
  | LevelTable
  | { readonly kind: "signed"; readonly min: number; readonly max: number }
  | { readonly kind: "affine"; readonly maxCode: number; readonly minZero: number; readonly maxZero: number };

/** The levels that the codes of a layout stand for. */
export interface LevelTable {
  readonly kind: "table";
  /** "E2M1". */
  readonly name: string;
  /** By code; `NaN` for a code that no weight has. */
  readonly levels: Float32Array;
}

/** True for a layout that is written from integers alone: it has no table of levels and no offsets of any size. */
export function takesOnlyIntegers({ bias, wholeBias, codes }: ViewRequirement): boolean {
  return (bias === undefined || wholeBias === true) && codes.kind !== "table";
}

/** Why a view does not fit, in words for people, and which layouts would fit. */
export interface Misfit {
  readonly reason: string;
  readonly hint?: string;
}

/**
 * The same layout where its scales and offsets may be rounded to what it stores: the codes stay. A view that fits only
 * this requirement, and not the original one, is converted with fidelity "rounded".
 */
export function roundingAllowed(requirement: ViewRequirement): ViewRequirement {
  // a scale of 8 bits would be another scale
  if (requirement.codes.kind === "table") return requirement;
  return { ...requirement, scale: "F32", roundsToHalf: true, ...(requirement.bias && { bias: "F32" }) };
}

/**
 * Why a layout cannot hold every view with these facts; undefined when it can. The answer "can" is always right; the
 * answer "cannot" may be too strict.
 */
export function viewMisfit(facts: ViewFacts, requirement: ViewRequirement): Misfit | undefined {
  return (
    shapeMisfit(facts, requirement) ??
    groupMisfit(facts, requirement) ??
    rowsMisfit(facts, requirement) ??
    scaleMisfit(facts, requirement) ??
    codeMisfit(facts, requirement)
  );
}

function shapeMisfit({ columns }: ViewFacts, requirement: ViewRequirement): Misfit | undefined {
  const { blockSize, scaleBlockSize, columnMultiple, shortLastBlock, name } = requirement;
  if (blockSize === "any" || blockSize === -1 || shortLastBlock) return undefined;
  const size = columnMultiple ?? scaleBlockSize ?? blockSize;
  if (columns % size === 0) return undefined;
  return {
    reason: `rows of ${columns} columns are not whole blocks of ${size} columns, which ${name} is made of`,
  };
}

function groupMisfit(facts: ViewFacts, requirement: ViewRequirement): Misfit | undefined {
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

function rowsMisfit(
  { rows, scaleRows: own = 1 }: ViewFacts,
  { scaleRows = 1, name }: ViewRequirement,
): Misfit | undefined {
  if (own >= rows || (own % scaleRows === 0 && scaleRows <= own)) return undefined;
  return {
    reason: `${own === 1 ? "each row has scales of its own" : `${own} rows share their scales`}, and in ${name} ${Math.min(scaleRows, rows)} rows share them`,
    hint: "A layout with scales for each row keeps the values.",
  };
}

/** True when aligned runs of `size` columns share their value; `shared` is the measured block size. */
function shares({ groupSize, columns }: ViewFacts, shared: number, size: number): boolean {
  if (groupSize !== undefined && groupSize >= columns) return true;
  if (size === -1) return false;
  return shared % size === 0 || (groupSize !== undefined && groupSize % size === 0);
}

function zerosFit(facts: ViewFacts, { blockSize, codes }: ViewRequirement): boolean {
  if (blockSize === "any" || codes.kind !== "affine") return true;
  return shares(facts, facts.zeroBlockSize, blockSize) || commonZero(facts, codes) !== undefined;
}

/** True when every group can keep its zero point. */
function ownZerosFit(facts: ViewFacts, { blockSize, codes }: ViewRequirement): boolean {
  if (codes.kind !== "affine") return true;
  const { maxCode, minZero, maxZero, zeroBlockSize } = facts;
  return (
    maxCode <= codes.maxCode &&
    minZero >= codes.minZero &&
    maxZero <= codes.maxZero &&
    (blockSize === "any" || shares(facts, zeroBlockSize, blockSize))
  );
}

function scaleMisfit(facts: ViewFacts, requirement: ViewRequirement): Misfit | undefined {
  const { scale, name, bias, roundsToHalf } = requirement;
  if ((scale === "E8M0" || scale === "E4M3") && facts.scaleType !== scale && facts.scaleType !== "both") {
    return { reason: `the scales may be no ${scale} numbers, and ${name} stores those` };
  }
  if (facts.bias !== undefined) return biasMisfit(facts.bias, facts, requirement);
  if (scale === "F16" && !facts.scalesAreHalf) {
    return { reason: `some scales are not f16 values, and ${name} stores f16 scales` };
  }
  if (scale === "BF16" && !facts.scalesAreBfloat) {
    return { reason: `some scales are not bf16 values, and ${name} is to store bf16 scales` };
  }
  // the facts describe the zero points as they are, so the layout must store these very zero points
  if (bias === "BF16" && !scalesOnlyMoveTheirPoint(facts)) {
    return {
      reason: `${name} stores scale × zero point as one bf16 number, which must round some of them`,
      hint: "A layout with integer zero points keeps them.",
    };
  }
  if (bias === "F16" && !(facts.offsetsAreHalf && ownZerosFit(facts, requirement))) {
    return {
      reason: `${name} stores scale × zero point as one f16 number, which must round some of them`,
      hint: "Q5_0 and, for groups of 256, Q4_K hold every zero point exactly.",
    };
  }
  if (bias === "F32" && !roundsToHalf && !(facts.scalesAreHalf || facts.scalesAreBfloat)) {
    return {
      reason: `${name} multiplies a scale and a code before it adds an offset, and some of these products are no f32 numbers`,
      hint: "A layout with integer zero points keeps them.",
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

/** True where every zero point is the same power of two, or 0: its product with a scale has the bits of the scale. */
function scalesOnlyMoveTheirPoint({ minZero, maxZero }: ViewFacts): boolean {
  return minZero === maxZero && (minZero === 0 || Number.isInteger(Math.log2(minZero)));
}

/** Offsets that are floats fit where floats are stored; integers may stand behind them, which only a look at them shows. */
function biasMisfit(
  { areHalf, areBfloat }: NonNullable<ViewFacts["bias"]>,
  { scalesAreHalf, scalesAreBfloat }: ViewFacts,
  { bias, wholeBias, scale, name }: ViewRequirement,
): Misfit | undefined {
  if (bias === undefined || wholeBias === true) {
    return { reason: `the offsets are floats, and ${name} has zero points that are integers` };
  }
  const scalesFit =
    scale === "F32" || (scale === "F16" ? scalesAreHalf : scale === "BF16" && scalesAreBfloat);
  const offsetsFit = bias === "F32" || (bias === "F16" ? areHalf : areBfloat);
  if (scalesFit && offsetsFit) return undefined;
  return {
    reason: `some scales or offsets are no ${(scalesFit ? bias : scale).toLowerCase()} numbers, and ${name} stores those`,
  };
}

function codeMisfit(facts: ViewFacts, requirement: ViewRequirement): Misfit | undefined {
  const { codes, name } = requirement;
  if (facts.table === "E4M3" && codes.kind !== "table") {
    return { reason: `its codes are 8-bit floats, and ${name} holds integers` };
  }
  if (codes.kind === "table") {
    if (facts.table === codes.name) return undefined;
    return { reason: `the codes may be no levels of ${codes.name}, which ${name} holds` };
  }
  if (facts.bias !== undefined) {
    if (codes.kind === "affine" && facts.maxCode <= codes.maxCode) return undefined;
    return { reason: `codes reach ${facts.maxCode}, which ${name} does not hold beside an offset` };
  }
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
export function commonZero(
  { minOffset, maxOffset }: { readonly minOffset: number; readonly maxOffset: number },
  codes: CodeRange & { readonly kind: "affine" },
): number | undefined {
  const zero = Math.max(-minOffset, codes.minZero);
  return zero <= Math.min(codes.maxZero, codes.maxCode - maxOffset) ? zero : undefined;
}

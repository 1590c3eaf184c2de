import { UsageError } from "../errors.ts";
import { isStorable, offsetMisfit, scaleValueMisfit } from "./fit-numbers.ts";
import { fitTable, type TableView } from "./fit-table.ts";
import { type BiasedView, groupedView, integersOf, regroupBiased } from "./grouped-view.ts";
import { type IntegerView, sequentialGroups } from "./integer-view.ts";
import { isLevelView, type StoredView } from "./level-view.ts";
import {
  type CodeRange,
  commonZero,
  type LevelTable,
  type Misfit,
  takesOnlyIntegers,
  type ViewRequirement,
} from "./requirement.ts";

/** Integers that fit, or the reason why none fit. */
export type IntegerFit =
  | { readonly view: IntegerView; readonly misfit?: undefined }
  | { readonly view?: undefined; readonly misfit: Misfit };

/** A view with biases only where the requirement has a bias, and with levels only where it has a table. */
export type ViewFit =
  | { readonly view: IntegerView | BiasedView | TableView; readonly misfit?: undefined }
  | { readonly view?: undefined; readonly misfit: Misfit };

/** Whether a view has a bias for each group in place of a zero point. */
export function isBiased(view: IntegerView | BiasedView | TableView): view is BiasedView {
  return "biases" in view;
}

/** Whether the codes of a fitted view are those of the requirement's table. */
export function isTabled(view: IntegerView | BiasedView | TableView): view is TableView {
  return "table" in view;
}

/** Whether no code is larger than `maxCode`. */
export type NoCodeAbove = (codes: Uint8Array, maxCode: number) => boolean;

/** Looks at every code. */
export function noCodeIsAbove(codes: Uint8Array, maxCode: number): boolean {
  for (let i = 0; i < codes.length; i++) if (codes[i]! > maxCode) return false;
  return true;
}

/**
 * The same values in a layout's own terms: as integers where that is exact and fits, else with the biases that the view
 * has, where the layout stores biases.
 */
export function fitView(
  view: IntegerView,
  requirement: ViewRequirement,
  noCodeAbove?: NoCodeAbove,
): IntegerFit;
export function fitView(view: StoredView, requirement: ViewRequirement, noCodeAbove?: NoCodeAbove): ViewFit;
export function fitView(
  view: StoredView,
  requirement: ViewRequirement,
  noCodeAbove: NoCodeAbove = noCodeIsAbove,
): ViewFit {
  if (requirement.codes.kind === "table") return fitToTable(view, requirement, requirement.codes);
  if (!isLevelView(view)) return fitIntegers(view, requirement, noCodeAbove);
  const grouped = groupedView(view);
  if (grouped.view === undefined) return grouped;
  const integers = integersOf(grouped.view);
  const fit = integers.view === undefined ? integers : fitIntegers(integers.view, requirement, noCodeAbove);
  const { blockSize, codes } = requirement;
  const cannotKeepBias = takesOnlyIntegers(requirement) || blockSize === "any" || codes.kind !== "affine";
  if (fit.view !== undefined || cannotKeepBias || grouped.view.biases === undefined) return fit;
  const misfit = roundingMisfit(view, requirement) ?? shapeMisfit(view.columns, requirement);
  if (misfit !== undefined) return { misfit };
  const biased = regroupBiased(grouped.view, blockSize === -1 ? view.columns : blockSize, codes.maxCode);
  return biased.view === undefined ? biased : (biasedMisfit(biased.view, requirement) ?? biased);
}

function fitToTable(view: StoredView, requirement: ViewRequirement, table: LevelTable): ViewFit {
  const misfit = roundingMisfit(view, requirement) ?? shapeMisfit(view.columns, requirement);
  if (misfit !== undefined) return { misfit };
  const { blockSize, name } = requirement;
  const size = blockSize === -1 || blockSize === "any" ? view.columns : blockSize;
  const fit = fitTable(view, table, size, name);
  if (fit.view === undefined) return fit;
  const { scales, groupCount } = fit.view;
  for (let i = 0; i < scales.length; i++) {
    const unfit = scaleValueMisfit(scales[i]!, requirement, Math.floor(i / groupCount));
    if (unfit !== undefined) return { misfit: unfit };
  }
  return fit;
}

function biasedMisfit(
  { scales, biases, groupCount }: BiasedView,
  requirement: ViewRequirement,
): { readonly misfit: Misfit } | undefined {
  for (let i = 0; i < scales.length; i++) {
    const row = Math.floor(i / groupCount);
    const misfit = scaleValueMisfit(scales[i]!, requirement, row);
    if (misfit !== undefined) return { misfit };
    const { bias, name } = requirement;
    if (bias !== undefined && !isStorable(biases[i]!, bias)) {
      return {
        misfit: {
          reason: `the offset ${biases[i]} of row ${row} is no ${bias.toLowerCase()} value, and ${name} stores those`,
        },
      };
    }
  }
  return undefined;
}

function roundingMisfit(view: StoredView, { roundsToHalf, name }: ViewRequirement): Misfit | undefined {
  if (view.rounding === "none" || roundsToHalf) return undefined;
  return {
    reason: `each weight is rounded to f16 after its multiplication, which ${name} does not do`,
    hint: "F16 holds these values exactly.",
  };
}

function shapeMisfit(
  columns: number,
  { blockSize, scaleBlockSize, columnMultiple, shortLastBlock, name }: ViewRequirement,
): Misfit | undefined {
  const whole = columnMultiple ?? scaleBlockSize ?? (blockSize === "any" || blockSize === -1 ? 1 : blockSize);
  if (shortLastBlock || columns % whole === 0) return undefined;
  return {
    reason: `rows of ${columns} columns are not whole blocks of ${whole} columns, which ${name} is made of`,
  };
}

/**
 * Integers in a layout's own terms: its groups, its zero points, codes in its range. Looks at every code, so it
 * may fit a view whose facts alone promise nothing. Groups are split freely, and merged where their scales are equal.
 */
function fitIntegers(view: IntegerView, requirement: ViewRequirement, noCodeAbove: NoCodeAbove): IntegerFit {
  const { rows, columns } = view;
  const { blockSize, scaleBlockSize, codes: range, name } = requirement;
  if (range.kind === "table") return { misfit: { reason: `${name} holds the levels of ${range.name}` } };
  const misfit = roundingMisfit(view, requirement) ?? shapeMisfit(columns, requirement);
  if (misfit !== undefined) return { misfit };
  if (isFitted(view, requirement, noCodeAbove)) return { view };
  const groupOfColumn = blockSize === "any" ? view.groupOfColumn : sequentialGroups(columns, blockSize);
  const groupCount = blockSize === "any" ? view.groupCount : (groupOfColumn[columns - 1] ?? -1) + 1;
  const scales = new Float32Array(rows * groupCount);
  const zeros = new Int16Array(rows * groupCount);
  const codes = new Uint8Array(rows * columns);
  const minOffsets = new Int16Array(groupCount);
  const maxOffsets = new Int16Array(groupCount);
  const seen = new Uint8Array(groupCount);
  for (let row = 0; row < rows; row++) {
    const from = row * columns;
    const source = row * view.groupCount;
    const target = row * groupCount;
    seen.fill(0);
    for (let column = 0; column < columns; column++) {
      const group = groupOfColumn[column]!;
      const sourceGroup = source + view.groupOfColumn[column]!;
      const scale = view.scales[sourceGroup]!;
      const offset = view.codes[from + column]! - view.zeros[sourceGroup]!;
      if (seen[group] === 0) {
        seen[group] = 1;
        scales[target + group] = scale;
        zeros[target + group] = view.zeros[sourceGroup]!;
        minOffsets[group] = offset;
        maxOffsets[group] = offset;
      } else {
        if (scales[target + group] !== scale) return { misfit: mixedScales(view, requirement, row, column) };
        if (offset < minOffsets[group]!) minOffsets[group] = offset;
        if (offset > maxOffsets[group]!) maxOffsets[group] = offset;
      }
    }
    for (let group = 0; group < groupCount; group++) {
      const scale = scales[target + group]!;
      if (seen[group] === 0) {
        // a file may have a group without columns, which no weight depends on
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
      const rounded = offsetMisfit(scale, zero, requirement, row);
      if (rounded !== undefined) return { misfit: rounded };
      zeros[target + group] = zero;
    }
    if (scaleBlockSize !== undefined && typeof blockSize === "number") {
      const perScale = scaleBlockSize / blockSize;
      for (let group = 0; group < groupCount; group++) {
        if (scales[target + group] !== scales[target + group - (group % perScale)]) {
          return { misfit: mixedScales(view, requirement, row, group * blockSize) };
        }
      }
    }
    for (let column = 0; column < columns; column++) {
      const sourceGroup = source + view.groupOfColumn[column]!;
      codes[from + column] =
        view.codes[from + column]! - view.zeros[sourceGroup]! + zeros[target + groupOfColumn[column]!]!;
    }
  }
  return {
    view: { rows, columns, groupCount, groupOfColumn, codes, scales, zeros, rounding: view.rounding },
  };
}

/** True for a view that is already in the layout's terms: nothing would change. */
function isFitted(view: IntegerView, requirement: ViewRequirement, noCodeAbove: NoCodeAbove): boolean {
  const { blockSize, scaleBlockSize, codes: range, bias } = requirement;
  const storesOffsets = bias !== undefined && !requirement.roundsToHalf;
  if (scaleBlockSize !== undefined || storesOffsets || range.kind === "table") return false;
  const { columns, groupOfColumn, codes, scales, zeros } = view;
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

/** The zero point of a group: its own where all codes fit with it, else another one with which they fit. */
function zeroFor(
  range: Exclude<CodeRange, LevelTable>,
  own: number,
  minOffset: number,
  maxOffset: number,
): number | undefined {
  if (range.kind === "signed") {
    return minOffset >= range.min && maxOffset <= range.max ? -range.min : undefined;
  }
  const fits =
    own >= range.minZero && own <= range.maxZero && minOffset + own >= 0 && maxOffset + own <= range.maxCode;
  return fits ? own : commonZero({ minOffset, maxOffset }, range);
}

function mixedScales(
  view: IntegerView,
  { blockSize, scaleBlockSize, name }: ViewRequirement,
  row: number,
  column: number,
): Misfit {
  const size = scaleBlockSize ?? blockSize;
  const block = size === -1 || size === "any" ? view.columns : size;
  const scattered = view.groupOfColumn.some((group, i) => i > 0 && group < view.groupOfColumn[i - 1]!);
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

/**
 * The fitted integers, for encoders whose plan has checked the fit. @throws UsageError with the reason when there is none
 */
export function fittedView(
  view: StoredView,
  requirement: ViewRequirement,
  noCodeAbove?: NoCodeAbove,
): IntegerView {
  const fit = fitView(view, requirement, noCodeAbove);
  if (fit.view !== undefined && !isBiased(fit.view) && !isTabled(fit.view)) return fit.view;
  const reason = fit.misfit?.reason ?? "its offsets are no whole multiples of their scales";
  throw new UsageError(`This view does not fit ${requirement.name}: ${reason}.`);
}

/**
 * The fitted codes of a table, for encoders whose plan has checked the fit. @throws UsageError with the reason when there
 * is none
 */
export function fittedTable(view: StoredView, requirement: ViewRequirement): TableView {
  const fit = fitView(view, requirement);
  if (fit.view !== undefined && isTabled(fit.view)) return fit.view;
  const reason = fit.misfit?.reason ?? "its codes are integers";
  throw new UsageError(`This view does not fit ${requirement.name}: ${reason}.`);
}

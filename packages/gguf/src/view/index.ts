/**
 * Conversions between a view and ggml blocks that change no weight: which types can hold a view, blocks from a view, and
 * a view from blocks. `gguf:auto` is the first line of `exactTypes`.
 */
import { type ErrorPlace, UnsupportedError, UsageError } from "@requant/core";
import { checkBlockLengths, type LinearWeight } from "@requant/core/format";
import {
  type BiasedView,
  checkRows,
  fitView,
  type IntegerView,
  isBiased,
  isLevelView,
  isTabled,
  type Misfit,
  roundingAllowed,
  type Span,
  type StoredView,
  sequentialGroups,
  type TableView,
  type ViewFacts,
  type ViewRequirement,
  viewMisfit,
} from "@requant/core/view";
import { viewQ2_0, viewQ4_0, viewQ4_1, viewQ5_0, viewQ5_1, viewQ8_0 } from "./plain-types.ts";
import { viewQ2_K, viewQ3_K, viewQ4_K, viewQ5_K, viewQ6_K } from "./super-block-types.ts";
import { viewIQ4_NL, viewIQ4_XS, viewMXFP4, viewNVFP4 } from "./table-types.ts";
import { viewTQ1_0, viewTQ2_0 } from "./ternary-types.ts";
import type { GgufViewSource, GgufViewType, Unpacked } from "./view-type.ts";

export type { GgufViewSource, GgufViewType } from "./view-type.ts";

/**
 * Every type that can be written from a view, smallest first; of two types of one size, the older one, which more readers
 * support, comes first.
 */
export const viewTypes: readonly GgufViewType[] = [
  viewTQ1_0,
  viewTQ2_0,
  viewQ2_0,
  viewQ2_K,
  viewQ3_K,
  viewMXFP4,
  viewQ4_0,
  viewQ4_K,
  viewNVFP4,
  viewQ4_1,
  viewQ5_0,
  viewQ5_K,
  viewQ5_1,
  viewQ6_K,
  viewQ8_0,
];

const readOnlyTypes: readonly GgufViewSource[] = [viewIQ4_NL, viewIQ4_XS];

/** Every type whose blocks have a view. */
export const viewSources: readonly GgufViewSource[] = /* @__PURE__ */ readOnlyTypes.concat(viewTypes);

/** The type, where its blocks have a view. */
export function viewSourceByName(name: string): GgufViewSource | undefined {
  return viewSources.find((candidate) => candidate.name === name);
}

/**
 * The type of this name, where its blocks can be written from a view.
 * @throws UnsupportedError for a type that cannot (codebooks, floats)
 */
export function viewTypeByName(name: string, place: ErrorPlace = {}): GgufViewType {
  const type = viewTypes.find((candidate) => candidate.name === name);
  if (type !== undefined) return type;
  throw new UnsupportedError(
    `${name} does not store integers times a scale; ${viewTypes.map((candidate) => candidate.name).join(", ")} do.`,
    place,
  );
}

/** The types that hold every view with these facts exactly, smallest first. */
export function exactTypes(facts: ViewFacts): GgufViewType[] {
  return viewTypes.filter((type) => viewMisfit(facts, type.requirement) === undefined);
}

/** Why a type cannot hold a view with these facts exactly; undefined when it can. */
export function typeMisfit(facts: ViewFacts, type: GgufViewType): Misfit | undefined {
  return viewMisfit(facts, type.requirement);
}

/** Bytes of a view's rows as blocks of a type. */
export function blockRowsByteLength(type: GgufViewType, rows: number, columns: number): number {
  return rows * (columns / type.blockSize) * type.blockByteLength;
}

/**
 * A view's rows as blocks of a type: the same codes, and the same values, unless an offset or scale must be rounded (ask
 * `typeMisfit`). `out` holds exactly the rows.
 * @throws UsageError when codes or groups do not fit the type, or `out` has another length
 */
export function viewToBlocks(type: GgufViewType, view: StoredView, out: Uint8Array): void {
  const { blockSize, blockByteLength, requirement } = type;
  const fitted = fittedTo(view, requirement);
  const { rows, columns, groupCount } = fitted;
  checkBlockLengths(type, out.byteLength, rows * columns);
  const perBlock = groupCount / (columns / blockSize);
  const blocks = (rows * columns) / blockSize;
  for (let block = 0; block < blocks; block++) {
    const [from, group, at] = [block * blockSize, block * perBlock, block * blockByteLength];
    if (isTabled(fitted)) type.packTableBlock?.(fitted, from, group, out, at);
    else if (isBiased(fitted)) type.packBiasedBlock?.(fitted, from, group, out, at);
    else type.packBlock(fitted, from, group, out, at);
  }
}

/** Fits exactly where possible, else with rounded scales and offsets. @throws UsageError where codes do not fit */
function fittedTo(view: StoredView, requirement: ViewRequirement): IntegerView | BiasedView | TableView {
  const exact = isLevelView(view) ? fitView(view, requirement).view : undefined;
  if (exact !== undefined) return exact;
  const fit = fitView(view, roundingAllowed(requirement));
  if (fit.view !== undefined) return fit.view;
  throw new UsageError(`This view does not fit ${requirement.name}: ${fit.misfit.reason}.`);
}

/**
 * Rows `[rowStart, rowEnd)` of a stored weight as blocks of a type: what `viewToBlocks` makes of its view. `out` holds
 * exactly the rows.
 * @throws UsageError as `viewToBlocks`
 */
export function weightToBlocks(
  type: GgufViewType,
  weight: LinearWeight,
  rowStart: number,
  rowEnd: number,
  out: Uint8Array,
): void {
  checkRows(rowStart, rowEnd, weight.rows);
  viewToBlocks(type, weight.toView(rowStart, rowEnd), out);
}

/** Unpacks some blocks, the first of which begins with the bytes. */
export type UnpackBlocks = (type: GgufViewSource, bytes: Uint8Array, blocks: number, out: Unpacked) => void;

/** One block after another. */
export const unpackBlocks: UnpackBlocks = ({ blockByteLength, view }, bytes, blocks, out) => {
  for (let block = 0; block < blocks; block++) view.unpackBlock(bytes, block * blockByteLength, out, block);
};

/**
 * Whole rows of blocks as a view: the compact form where the type stores integers around a fixed zero point and one scale
 * for each group, else the general form. `integerView` tells whether that one can be compact, too.
 * @throws UsageError when the bytes are not whole rows
 */
export function blocksToView(
  type: GgufViewSource,
  bytes: Uint8Array,
  rows: number,
  columns: number,
  unpack: UnpackBlocks = unpackBlocks,
): StoredView {
  const { blockSize, view } = type;
  const { levels, factorSizes, biasSize } = view;
  if (columns % blockSize !== 0) {
    throw new UsageError(`Rows of ${columns} weights are not whole blocks of ${blockSize}.`);
  }
  const count = rows * columns;
  const blocks = checkBlockLengths(type, bytes.byteLength, count);
  const codes = new Uint8Array(count);
  const factors = factorSizes.map((size) => new Float32Array(count / size));
  const biases = new Float32Array(biasSize === undefined ? 0 : count / biasSize);
  unpack(type, bytes, blocks, { codes, factors, biases });
  const [scales, ...others] = factors;
  const [groupSize] = factorSizes;
  const isInteger = "zero" in levels;
  if (isInteger && scales !== undefined && groupSize !== undefined && others.length === 0 && !biasSize) {
    const groupOfColumn = sequentialGroups(columns, groupSize);
    const zeros = new Int16Array(scales.length).fill(levels.zero);
    const groupCount = columns / groupSize;
    return { rows, columns, groupCount, groupOfColumn, codes, scales, zeros, rounding: "none" };
  }
  const spanOf = (size: number): Span => ({
    kind: "columns",
    groupCount: columns / size,
    groupOfColumn: sequentialGroups(columns, size),
  });
  return {
    rows,
    columns,
    codes,
    levels: isInteger ? "integer" : levels,
    factors: factors.map((values, i) => ({ values, span: spanOf(factorSizes[i] ?? blockSize) })),
    offset:
      biasSize === undefined ? { kind: "none" } : { kind: "bias", values: biases, span: spanOf(biasSize) },
    rounding: "none",
  };
}

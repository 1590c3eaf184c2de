import { UsageError } from "../errors.ts";
import type { FloatPacking, WeightEncoder } from "../format/weight-target.ts";
import type { IntegerView } from "../view/integer-view.ts";
import { isLevelView, type StoredView } from "../view/level-view.ts";
import type { QuantizeViewOptions, quantizeView } from "../view/quantize.ts";
import type { ViewRequirement } from "../view/requirement.ts";
import type { SolveFactor } from "./factor.ts";
import { gridOf } from "./feedback.ts";
import type { ScaleType, SolveRows } from "./rows.ts";

/** Sweeps after the first codes: each lowers the error of the output, the first two by far the most. */
export const USUAL_SWEEPS = 2;

/** Which columns share a scale. */
export type Grouping =
  /** Consecutive ones, as most formats store them. */
  | "static"
  /** Those that are visited one after the other: a format must store the group of each column (`g_idx`). */
  | "visited";

/** How a grid is made and its codes are chosen. */
export interface SolveViewOptions extends Omit<QuantizeViewOptions, "search" | "importance"> {
  readonly groups: Grouping;
}

/** What is known of a layer's inputs. */
export interface SolveGuide {
  readonly factor: SolveFactor;
  /** Mean x² per column, which weighs the search of the grid; all columns alike by default. */
  readonly importance?: Float32Array | undefined;
  /** Default: `USUAL_SWEEPS`. 0: error feedback alone, on the scales that the search found. */
  readonly sweeps?: number | undefined;
}

/** The parts that twins replace. */
export interface SolveTools {
  readonly quantize: typeof quantizeView;
  readonly solve: SolveRows;
}

/**
 * Rows of weights as a view whose codes make up for each other's errors in the layer's output: a grid from the weighted
 * search, codes by error feedback, then sweeps over codes and scales.
 */
export function solveView(
  values: Float32Array,
  rows: number,
  columns: number,
  options: SolveViewOptions,
  guide: SolveGuide,
  tools: SolveTools,
): IntegerView {
  const grid = groupedBy(options.groups, values, columns, guide, (own, importance) =>
    tools.quantize(own, rows, columns, { ...options, search: true, importance }),
  );
  const solving = { maxCode: 2 ** options.bits - 1, scale: options.scale };
  return withCodes(values, grid, solving, guide, tools);
}

/**
 * What a run calls for a weight of floats that has statistics: the encoder's own grid, weighed by `importance`, with
 * solved codes and, where the layout stores a scale for each group, solved scales. The result goes to `fromView`.
 * @throws UsageError for an encoder that is not solvable (`largestCode`)
 */
export function solvePacking(
  encoder: Pick<WeightEncoder, "requirement"> & { readonly floats: FloatPacking & { readonly kind: "view" } },
  values: Float32Array,
  rows: number,
  guide: SolveGuide,
  tools: SolveTools,
): StoredView {
  const { floats, requirement } = encoder;
  const maxCode = largestCode(encoder);
  if (maxCode === undefined)
    throw new UsageError("The layout's codes cannot be solved: it has no largest code.");
  const columns = guide.factor.columns;
  const grid = groupedBy(floats.groups ?? "static", values, columns, guide, (own, importance) =>
    floats.quantize(own, rows, { importance }),
  );
  return withCodes(values, grid, { maxCode, scale: ownScale(requirement) }, guide, tools);
}

/** The largest code of the views that an encoder packs; undefined where their codes cannot be solved. */
export function largestCode({
  floats,
  requirement,
}: Pick<WeightEncoder, "requirement" | "floats">): number | undefined {
  if (floats.kind !== "view") return undefined;
  const codes = requirement?.codes;
  if (floats.maxCode !== undefined || codes === undefined) return floats.maxCode;
  if (codes.kind === "table") return codes.levels.length - 1;
  return codes.kind === "affine" ? codes.maxCode : codes.max - codes.min;
}

/** The type of the scales, where each group has one that may change by itself. */
function ownScale(requirement: ViewRequirement | undefined): ScaleType | undefined {
  if (requirement === undefined) return undefined;
  const { scale, scaleBlockSize, scaleRows = 1, tensorScale } = requirement;
  if (scaleBlockSize !== undefined || scaleRows !== 1 || tensorScale !== undefined) return undefined;
  return scale === "F16" || scale === "BF16" || scale === "F32" ? scale : undefined;
}

interface Solving {
  readonly maxCode: number;
  readonly scale?: ScaleType | undefined;
}

function withCodes<View extends StoredView>(
  values: Float32Array,
  view: View,
  { maxCode, scale }: Solving,
  { factor, sweeps = USUAL_SWEEPS }: SolveGuide,
  { solve }: SolveTools,
): View {
  // several factors cannot take one new scale
  const factors = isLevelView(view) ? view.factors : undefined;
  const mayChange = factors === undefined || (factors.length === 1 && factors[0]?.span.kind === "columns");
  const solved = solve(values, gridOf(view), maxCode, factor, {
    count: sweeps,
    scale: mayChange ? scale : undefined,
  });
  if (factors === undefined) return { ...view, ...solved };
  const changed = mayChange ? factors.map((one) => ({ ...one, values: solved.scales })) : factors;
  return { ...view, codes: solved.codes, factors: changed };
}

/** A grid over the columns as they lie, or as they are visited. */
function groupedBy<View extends StoredView>(
  groups: Grouping,
  values: Float32Array,
  columns: number,
  { factor, importance }: SolveGuide,
  make: (values: Float32Array, importance: Float32Array | undefined) => View,
): View {
  if (groups === "static") return make(values, importance);
  const { order } = factor;
  const visited = new Float32Array(values.length);
  for (let row = 0; row < values.length; row += columns) {
    for (let i = 0; i < columns; i++) visited[row + i] = values[row + order[i]!]!;
  }
  const grid = make(visited, importance && Float32Array.from(order, (column) => importance[column]!));
  if (isLevelView(grid)) throw new UsageError("Only integers are grouped by the order of visits.");
  const groupOfColumn = new Int32Array(columns);
  for (let i = 0; i < columns; i++) groupOfColumn[order[i]!] = grid.groupOfColumn[i]!;
  return { ...grid, groupOfColumn };
}

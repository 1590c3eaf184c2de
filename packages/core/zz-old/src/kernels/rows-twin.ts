/** The SIMD twins of `solveRows` and `feedbackCodes`: sixteen rows at a time, a lane for each. */
import type { SolveFactor } from "../solve/factor.ts";
import * as feedback from "../solve/feedback.ts";
import * as reference from "../solve/rows.ts";
import type { StoredView } from "../view/level-view.ts";
import { descriptor } from "./descriptor.ts";
import { type SolveMemory, STEP_COLUMNS, solveMemoryOf, TILE_ROWS } from "./solve-memory.ts";

/** The fields of the class `SolveTile` in assembly/solve.ts. */
interface SolveTile {
  readonly rest: number;
  readonly codes: number;
  readonly matrix: number;
  readonly columns: number;
  readonly visits: number;
  readonly count: number;
  readonly groups: number;
  readonly scales: number;
  readonly zeros: number;
  readonly biases: number;
  readonly levels: number;
  readonly last: number;
  readonly half: number;
  readonly scaleType: number;
  readonly changes: number;
  readonly local: number;
  readonly changed: number;
  readonly weights: number;
}

const placeTile = /* @__PURE__ */ descriptor(
  ({
    rest,
    codes,
    matrix,
    columns,
    visits,
    count,
    groups,
    scales,
    zeros,
    biases,
    levels,
    last,
    half,
    scaleType,
    changes,
    local,
    changed,
    weights,
  }: SolveTile) => [
    rest,
    codes,
    matrix,
    columns,
    visits,
    count,
    groups,
    scales,
    zeros,
    biases,
    levels,
    last,
    half,
    scaleType,
    changes,
    local,
    changed,
    weights,
  ],
);

const SCALE_TYPES: Readonly<Record<reference.ScaleType, number>> = { F32: 0, F16: 1, BF16: 2 };

/** As the reference, with the kernel. */
export function feedbackCodes(
  values: Float32Array,
  view: StoredView,
  maxCode: number,
  factor: SolveFactor,
  sweeps = 0,
): Uint8Array {
  return feedback.feedbackCodes(values, view, maxCode, factor, sweeps, solveRows);
}

/** As the reference, with the kernel. */
export const solveRows: reference.SolveRows = (values, grid, maxCode, factor, sweeps) => {
  const memory = solveMemoryOf(factor);
  if (memory === undefined || grid.groupCount > grid.columns)
    return reference.solveRows(values, grid, maxCode, factor, sweeps);
  reference.checkSizes(values, grid, factor);
  const tile = tileOf(memory, grid, maxCode, factor, sweeps);
  const scales = new Float32Array(grid.scales.length);
  const codes = new Uint8Array(values.length);
  for (let row = 0; row < grid.rows; row += TILE_ROWS) {
    const rows = Math.min(TILE_ROWS, grid.rows - row);
    tile.load(values, row, rows);
    tile.run();
    tile.store(codes, scales, row, rows);
  }
  return { codes, scales };
};

interface LoadedTile {
  load(values: Float32Array, row: number, rows: number): void;
  run(): void;
  store(codes: Uint8Array, scales: Float32Array, row: number, rows: number): void;
}

function tileOf(
  memory: SolveMemory,
  grid: reference.CodeGrid,
  maxCode: number,
  factor: SolveFactor,
  sweeps: reference.Sweeps,
): LoadedTile {
  const { buffer, tile: at, kernel } = memory;
  const { columns, groupCount, groupOfColumn, levels } = grid;
  const { order } = factor;
  const floats = (place: number, columnCount: number): Float32Array =>
    new Float32Array(buffer, place, TILE_ROWS * columnCount);
  const rest = floats(at.rest, columns);
  const weights = floats(at.weights, columns);
  const tileScales = floats(at.scales, groupCount);
  const tileCodes = new Uint8Array(buffer, at.codes, TILE_ROWS * columns);
  const visits = new Int32Array(buffer, at.visits, columns);
  new Int32Array(buffer, at.groups, columns).set(order.map((column) => groupOfColumn[column]!));
  if (levels !== "integer") new Float32Array(buffer, at.levels, levels.length).set(levels);
  const common = {
    ...at,
    columns,
    levels: levels === "integer" ? 0 : at.levels,
    last: levels === "integer" ? maxCode : levels.length - 1,
    half: grid.rounding === "f16" ? 1 : 0,
    scaleType: SCALE_TYPES[sweeps.scale ?? "F32"],
  };
  const consecutive = Int32Array.from({ length: columns }, (_, i) => i);
  const groups = sweeps.count > 0 ? reference.groupVisits(grid, factor) : [];
  /** Steps of a kernel over some columns. */
  const inSteps = (name: string, matrix: Float32Array, some: Int32Array, step = STEP_COLUMNS): void => {
    const run = kernel(name);
    visits.set(some);
    for (let start = 0; start < some.length; start += step) {
      const count = Math.min(step, some.length - start);
      const own = { ...common, matrix: matrix.byteOffset, visits: at.visits + 4 * start, count };
      run(placeTile(own, buffer));
    }
  };
  return {
    load(values, row, rows) {
      const from = values.subarray(row * columns, (row + rows) * columns);
      spread(from, rows, columns, order, weights);
      rest.set(weights);
      const parameters = [
        [grid.scales, at.scales],
        [grid.zeros, at.zeros],
        [grid.biases, at.biases],
      ] as const;
      for (const [all, place] of parameters) {
        const own = all?.subarray(row * groupCount, (row + rows) * groupCount);
        const to = floats(place, groupCount);
        if (own === undefined) to.fill(0);
        else spread(own, rows, groupCount, undefined, to);
      }
    },
    run() {
      inSteps("feedbackColumns", memory.upper, consecutive);
      if (sweeps.count === 0) return;
      rest.fill(0);
      inSteps("gradientOfColumns", memory.moments, consecutive);
      for (let sweep = 0; sweep < sweeps.count; sweep++) {
        for (const group of groups) {
          inSteps("sweepColumns", memory.moments, group);
          if (sweeps.scale !== undefined) inSteps("stepScales", memory.moments, group, group.length);
        }
      }
    },
    store(codes, scales, row, rows) {
      for (let i = 0; i < columns; i++) {
        const to = row * columns + order[i]!;
        for (let lane = 0; lane < rows; lane++) codes[to + lane * columns] = tileCodes[i * TILE_ROWS + lane]!;
      }
      for (let group = 0; group < groupCount; group++) {
        const to = row * groupCount + group;
        for (let lane = 0; lane < rows; lane++) {
          scales[to + lane * groupCount] = tileScales[group * TILE_ROWS + lane]!;
        }
      }
    },
  };
}

/** Rows of numbers, column by column; lanes without a row get zeros. */
function spread(
  from: Float32Array | Int16Array,
  rows: number,
  columns: number,
  order: Int32Array | undefined,
  to: Float32Array,
): void {
  if (rows < TILE_ROWS) to.fill(0);
  for (let i = 0; i < columns; i++) {
    const column = order === undefined ? i : order[i]!;
    for (let lane = 0; lane < rows; lane++) to[i * TILE_ROWS + lane] = from[lane * columns + column]!;
  }
}

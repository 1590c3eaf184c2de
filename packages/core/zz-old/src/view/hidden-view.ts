/** Rows of floats as the view that a hidden grid gives them. */
import { UsageError } from "../errors.ts";
import { E2M1_VALUES, floatToE2m1 } from "../numeric/float4.ts";
import { E4M3_VALUES, floatToE4m3 } from "../numeric/float8.ts";
import { symmetricBits } from "./hidden-facts.ts";
import type { HiddenGrid, HidingType } from "./hidden-grid.ts";
import { type FitGroup, type FitRows, type IntegerFit, integerRows, rowsFit } from "./hidden-scale.ts";
import { float8Fit, mxfp4Fit, nearestE4m3, nvfp4Fit } from "./hidden-table.ts";
import { type IntegerView, sequentialGroups } from "./integer-view.ts";
import type { Factor, LevelView, Span, StoredView } from "./level-view.ts";

/**
 * The view of whole rows of floats of one type on a grid that was found for their tensor. Where blocks hold several rows,
 * the first row begins a block.
 * @throws UsageError for floats that are not on the grid
 */
export function gridView(
  values: Float32Array,
  columns: number,
  type: HidingType,
  grid: HiddenGrid,
  integers: IntegerFit = integerRows,
): StoredView {
  return grid.levels === "integer"
    ? integersOnGrid(values, columns, grid, integers(type))
    : levelsOnGrid(values, columns, grid, rowsFit(tableFit(type, grid)));
}

function refuseUnfit(fits: boolean): void {
  if (fits) return;
  throw new UsageError("The floats are not on the grid that was found for their tensor.", {
    hint: "Plan the conversion again.",
  });
}

function integersOnGrid(values: Float32Array, columns: number, grid: HiddenGrid, fit: FitRows): IntegerView {
  const { bits, symmetric, blockColumns } = grid;
  const groupOfColumn = sequentialGroups(columns, blockColumns);
  const groupCount = (groupOfColumn[columns - 1] ?? -1) + 1;
  const rows = values.length / columns;
  const codes = new Uint8Array(values.length);
  const scales = new Float32Array(rows * groupCount);
  const zeros = new Int16Array(rows * groupCount);
  let at = 0;
  const fits = fit(values, columns, grid, ({ scale: size, min, max }, { start, length }) => {
    const turns = symmetric && symmetricBits(min, max) > bits;
    const zero = symmetric ? 2 ** (bits - 1) : -min;
    const scale = turns ? -size : size;
    for (let i = start; i < start + length; i++) {
      // levels are rounded away from 0 at ties, like the magnitudes that were checked
      const level = size === 0 ? 0 : Math.sign(values[i]!) * Math.floor(Math.abs(values[i]!) / size + 0.5);
      codes[i] = zero + (turns ? -level : level);
    }
    scales[at] = scale;
    zeros[at] = zero;
    at++;
  });
  refuseUnfit(fits);
  return { rows, columns, groupCount, groupOfColumn, codes, scales, zeros, rounding: viewRounding(grid) };
}

/** The view of floats that were rounded to bf16 says a little more than they do. */
function viewRounding({ rounding }: HiddenGrid): IntegerView["rounding"] {
  return rounding === "F16" ? "f16" : "none";
}

function tableFit(type: HidingType, { levels, scale, factor = 1 }: HiddenGrid): FitGroup {
  if (levels === "E4M3") return float8Fit(type);
  return scale === "E4M3" ? nvfp4Fit(type, factor) : mxfp4Fit(type);
}

/** What a group of zeros of 4-bit floats gets for a scale, where any would do: what ggml writes. */
const ZERO_SCALES: Readonly<Record<string, number>> = { E8M0: 2 ** -127, E4M3: 0 };

function levelsOnGrid(values: Float32Array, columns: number, grid: HiddenGrid, fit: FitRows): LevelView {
  const { levels, blockRows, blockColumns, scale: scaleType, factor } = grid;
  const rows = values.length / columns;
  const width = blockColumns === -1 ? columns : blockColumns;
  const codeOf = levels === "E2M1" ? floatToE2m1 : floatToE4m3;
  const codes = new Uint8Array(values.length);
  const groupCount = Math.ceil(columns / width);
  const scales = new Float32Array(Math.ceil(rows / blockRows) * groupCount);
  let at = 0;
  const fits = fit(values, columns, grid, ({ scale }, group) => {
    // levels of E2M1 were counted in halves
    const size = levels === "E2M1" ? 2 * scale : scale;
    for (let run = 0, start = group.start; run < group.runs; run++, start += group.step) {
      for (let i = start; i < start + group.length; i++) {
        codes[i] = codeOf(size === 0 ? 0 * values[i]! : values[i]! / size);
      }
    }
    if (size === 0) scales[at++] = levels === "E2M1" ? (ZERO_SCALES[scaleType] ?? 1) : 1;
    else scales[at++] = factor === undefined ? size : nearestE4m3(size / factor);
  });
  refuseUnfit(fits);
  const span: Span = { kind: "blocks", blockRows, blockColumns: width };
  const tensor: Factor[] =
    factor === undefined || factor === 1
      ? []
      : [{ values: Float32Array.of(factor), span: { kind: "tensor" } }];
  return {
    rows,
    columns,
    codes,
    levels: levels === "E2M1" ? E2M1_VALUES : E4M3_VALUES,
    factors: [{ values: scales, span }, ...tensor],
    offset: { kind: "none" },
    rounding: viewRounding(grid),
  };
}

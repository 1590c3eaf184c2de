/**
 * Blocks by calibration: the steps of each block by a search that is weighted by what the inputs of the layer are like,
 * the codes by error feedback and sweeps over them. The result is ordinary blocks of the type, which every runtime reads.
 */
import { UnsupportedError } from "@requant/core";
import { checkRowLengths } from "@requant/core/format";
import { feedbackCodes, type SolveFactor, USUAL_SWEEPS } from "@requant/core/solve";
import { blocksToView } from "../kernels/views-twin.ts";
import { type GgufViewSource, viewSources } from "../view/index.ts";
import { fitBlock } from "./block-fit.ts";
import { type BlockSteps, type GridForm, gridForms } from "./grid-form.ts";

/** What is known of the inputs of a layer. */
export interface CalibrationGuide {
  /** Mean x² per column, as `columnImportance` of `@requant/core/solve` gives it; without it all columns count the same. */
  readonly importance?: Float32Array | undefined;
  /** By `solveFactor` of the same statistics; without it each code is the nearest one. */
  readonly factor?: SolveFactor | undefined;
}

interface CalibratedType {
  readonly form: GridForm;
  readonly source: GgufViewSource;
}

const types: ReadonlyMap<string, CalibratedType> = /* @__PURE__ */ new Map(
  /* @__PURE__ */ viewSources.flatMap((source) => {
    const form = gridForms.find(({ name }) => name === source.name);
    return form === undefined ? [] : [[source.name, { form, source }] as const];
  }),
);

/** Names of the types that `calibratedBlocks` writes: "Q4_K". */
export const calibratedTypes: readonly string[] = /* @__PURE__ */ Array.from(types.keys());

/**
 * Rows of weights as blocks of a type, so that the layer's output changes as little as possible. Rows do not depend on each
 * other: bands of rows with the same guide give the same blocks as all rows. Rows that no statistics are known of (a table
 * of embeddings) go without a guide: their steps then have the least squared error of the weights.
 * @param values whole rows of `columns` weights, row-major; not changed
 * @param out exactly the blocks of these rows
 * @throws UnsupportedError for a type that is not one of `calibratedTypes`
 * @throws UsageError where lengths do not fit together
 * @example
 * import { columnImportance, type InputStatistics, solveFactor } from "@requant/core/solve";
 * import { calibratedBlocks } from "@requant/gguf";
 *
 * export function toQ4_K(values: Float32Array, rows: number, statistics: InputStatistics): Uint8Array {
 *   const { columns } = statistics;
 *   const blocks = new Uint8Array(rows * (columns / 256) * 144);
 *   const importance = columnImportance(statistics);
 *   const factor = solveFactor(statistics, { order: "act" });
 *   calibratedBlocks("Q4_K", values, columns, { importance, factor }, blocks);
 *   return blocks;
 * }
 */
export function calibratedBlocks(
  typeName: string,
  values: Float32Array,
  columns: number,
  { importance, factor }: CalibrationGuide,
  out: Uint8Array,
): void {
  const type = types.get(typeName);
  if (type === undefined) {
    throw new UnsupportedError(
      `${typeName} cannot be written with calibrated codes; ${calibratedTypes.join(", ")} can.`,
    );
  }
  const { form, source } = type;
  const { blockSize, blockByteLength, view } = source;
  checkRowLengths(source, values.length, columns, out.length, importance);
  const blocks = values.length / blockSize;
  const codes = new Uint8Array(values.length);
  const rowCosts = new Float32Array(columns);
  for (let block = 0; block < blocks; block++) {
    const start = block * blockSize;
    const column = start % columns;
    if (column === 0)
      fillCosts(values.subarray(start, start + columns), importance, factor !== undefined, rowCosts);
    const own = values.subarray(start, start + blockSize);
    const steps = fitBlock(form, own, rowCosts.subarray(column, column + blockSize));
    form.write(out, block * blockByteLength, steps);
    if (factor === undefined) nearestCodes(form, own, steps, codes.subarray(start, start + blockSize));
  }
  const solved =
    factor === undefined
      ? codes
      : feedbackCodes(
          values,
          blocksToView(source, out, values.length / columns, columns),
          view.maxCode,
          factor,
          USUAL_SWEEPS,
        );
  for (let block = 0; block < blocks; block++) {
    view.packCodes(out, block * blockByteLength, solved, block * blockSize);
  }
}

/**
 * What a squared error costs, for the columns of one row. Error feedback moves the weights before they get their codes,
 * and those outside the range of the codes cannot follow: large weights then count more, as in llama-quantize, so that
 * fewer are cut off.
 */
function fillCosts(
  row: Float32Array,
  importance: Float32Array | undefined,
  feedback: boolean,
  costs: Float32Array,
): void {
  let meanSquare = 0;
  for (const value of row) meanSquare += (value * value) / row.length;
  for (let i = 0; i < row.length; i++) {
    const size = feedback ? Math.sqrt(meanSquare + row[i]! * row[i]!) : 1;
    costs[i] = (importance?.[i] ?? 1) * size;
  }
}

/** The nearest codes of one block under its steps. */
function nearestCodes(
  { levels, size, count }: GridForm,
  values: Float32Array,
  { d, dmin, scales, mins }: BlockSteps,
  codes: Uint8Array,
): void {
  for (let j = 0; j < count; j++) {
    const scale = d * scales[j]!;
    const inverse = scale === 0 ? 0 : 1 / scale;
    const bias = -dmin * mins[j]!;
    for (let i = size * j; i < size * (j + 1); i++)
      codes[i] = levels.nearestCode((values[i]! - bias) * inverse);
  }
}

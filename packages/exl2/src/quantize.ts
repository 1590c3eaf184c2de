import { ConversionError, UsageError } from "@requant/core";
import type { SolveFactor } from "@requant/core/solve";
import { solveCodes } from "./choose-codes.ts";
import {
  addEnergies,
  bandOf,
  columnsInOrder,
  invertOrder,
  needsEnergies,
  type OrderedColumns,
  refuseNonFinite,
} from "./columns.ts";
import type { Exl2Integers } from "./integers.ts";
import { roundCodes } from "./kernels/choose-codes-twin.ts";
import { searchScales } from "./kernels/search-scales-twin.ts";
import { type Exl2Recipe, recipeGroups } from "./recipes.ts";
import { groupScales } from "./scales.ts";

/** What `quantizeExl2` can use besides the weights. */
export interface QuantizeExl2Options {
  /**
   * How much each column of W matters: the mean square of its inputs. Columns that matter most get the larger widths.
   * Default: the sum of the squares of a column's weights; where scales are chosen all columns then count alike.
   */
  readonly importance?: Float32Array | undefined;
  /** What error feedback needs of the layer's inputs, made in act order; `importance` is then not used. */
  readonly factor?: SolveFactor | undefined;
  /** Memory for the codes, one for each weight. Default: made anew. */
  readonly codes?: Uint8Array | undefined;
}

/** A weight in EXL2's integers, and what was lost. */
export interface Exl2Quantized extends Exl2Integers {
  /**
   * The squared error: of the layer's output (mean over tokens, summed over rows, damping included) with a factor; of the
   * weights, each times the importance of its column, without.
   */
  readonly error: number;
}

/**
 * Codes with exllamav2's scales. The columns are permuted so that those that matter most come first and get the larger
 * widths; they stay in order where one width serves all of them and there is no factor. Group after group gets its scales
 * by the search of `searchScales`, then its codes: the nearest ones, or with a factor by error feedback, which moves
 * what rounding changes to the columns that have no codes yet. Source: exllamav2, conversion/adaptivegptq.py (the order,
 * the groups, when scales are chosen); the search of the scales is Requant's own.
 * @throws ConversionError for weights that are not finite (its `index` is the weight's), or sizes that cannot be grouped in whole words
 */
export function quantizeExl2(
  values: Float32Array,
  rows: number,
  columns: number,
  recipe: Exl2Recipe,
  options: QuantizeExl2Options = {},
): Exl2Quantized {
  if (values.length !== rows * columns) {
    throw new UsageError(`${values.length} values are not ${rows} rows of ${columns}.`);
  }
  if (columns % 32 !== 0) {
    throw new ConversionError(`EXL2 packs columns in 32s; ${columns} are not.`, {
      hint: "Leave this weight in a float type.",
    });
  }
  refuseNonFinite(values, columns);
  const { order, importance, upper } = columnsOf(values, columns, recipe, options);
  // only error feedback changes weights that have no codes yet
  const rest = upper === undefined ? undefined : permuted(values, rows, order);
  const groups = recipeGroups(recipe, columns);
  const invperm = invertOrder(order);
  const { codes = new Uint8Array(rows * columns) } = options;
  if (codes.length !== rows * columns) {
    throw new UsageError(`There is memory for ${codes.length} codes; ${rows * columns} are made.`);
  }
  const nibbles = new Uint8Array(groups.length * rows);
  const maxScales = new Float32Array(groups.length);
  const scales = new Float32Array(rows);
  const widest = rest === undefined ? groups.reduce((most, { rows: size }) => Math.max(most, size), 0) : 0;
  const band = new Float32Array(rows * widest);
  const bandCodes = new Uint8Array(rows * widest);
  let error = 0;
  let start = 0;
  groups.forEach(({ bits, rows: size }, index) => {
    const whole = { values, rows, width: columns, start, size, bits, importance };
    const group = rest === undefined ? bandOf(whole, order, band) : { ...whole, values: rest };
    const ofGroup = nibbles.subarray(index * rows, (index + 1) * rows);
    const maxScale = searchScales(group, ofGroup);
    if (maxScale === undefined) throw tooLarge(values, rows, columns, order.subarray(start, start + size));
    maxScales[index] = maxScale;
    const scalesOfGroup = groupScales(maxScale);
    for (let row = 0; row < rows; row++) scales[row] = scalesOfGroup[ofGroup[row]!]!;
    if (upper === undefined) {
      error += roundCodes(group, scales, bandCodes);
      for (let row = 0; row < rows; row++)
        codes.set(bandCodes.subarray(row * size, (row + 1) * size), row * columns + start);
    } else error += solveCodes(group, scales, codes, upper);
    start += size;
  });
  return { rows, groups, invperm, codes, nibbles, maxScales, error };
}

interface Columns extends OrderedColumns {
  readonly upper: Float32Array | undefined;
}

function columnsOf(
  values: Float32Array,
  columns: number,
  recipe: Exl2Recipe,
  { importance, factor }: QuantizeExl2Options,
): Columns {
  const given = factor?.columns ?? importance?.length ?? columns;
  if (given !== columns) {
    throw new UsageError(`${given} importances were given for ${columns} columns.`);
  }
  if (factor !== undefined) {
    const { order, upper } = factor;
    // an error at a visit costs its square over U[i, i]², once later columns have made up for what they can
    const costs = Float32Array.from({ length: columns }, (_, i) => 1 / upper[i * (columns + 1)]! ** 2);
    return { order, importance: costs, upper };
  }
  const energies = needsEnergies(recipe, importance) ? new Float32Array(columns) : undefined;
  if (energies !== undefined) addEnergies(values, energies);
  return { ...columnsInOrder(columns, recipe, { importance, energies }), upper: undefined };
}

function permuted(values: Float32Array, rows: number, order: Int32Array): Float32Array {
  const columns = order.length;
  const made = new Float32Array(values.length);
  for (let from = 0; from < rows * columns; from += columns) {
    for (let i = 0; i < columns; i++) made[from + i] = values[from + order[i]!]!;
  }
  return made;
}

/** What is refused where a group needs a scale that f16 does not hold; it names the largest weight. */
function tooLarge(values: Float32Array, rows: number, columns: number, ofGroup: Int32Array): ConversionError {
  let largest = ofGroup[0] ?? 0;
  for (let row = 0; row < rows; row++) {
    for (const column of ofGroup) {
      const i = row * columns + column;
      if (Math.abs(values[i]!) > Math.abs(values[largest]!)) largest = i;
    }
  }
  return new ConversionError(`The weight ${values[largest]} is too large for EXL2's f16 scales.`, {
    hint: "Keep this tensor in a float type.",
    index: largest,
  });
}

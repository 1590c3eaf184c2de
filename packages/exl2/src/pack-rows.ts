/** EXL2 from rows that are read in bands. */
import type { RepeatedRows } from "@requant/core/format";
import {
  addEnergies,
  areFinite,
  bandOf,
  columnsInOrder,
  invertOrder,
  needsEnergies,
  type OrderedColumns,
} from "./columns.ts";
import { exl2Packer } from "./integers.ts";
import { roundCodes } from "./kernels/choose-codes-twin.ts";
import { chooseMaximum, chooseShares } from "./kernels/search-scales-twin.ts";
import { type Exl2Recipe, recipeGroups } from "./recipes.ts";
import { groupScales } from "./scales.ts";
import { type GroupWeights, largestOf, measureSteps, sampledRows } from "./search-scales.ts";

/** A weight of floats, and what is known of its inputs. */
export interface FloatRows {
  readonly rows: number;
  readonly columns: number;
  readonly importance: Float32Array | undefined;
  readonly source: RepeatedRows;
}

/**
 * The parts that `packExl2` makes of `quantizeExl2`, without error feedback. The rows are read two or three times: for the order of
 * the columns, for the scales of the groups, and for the codes. Memory: the parts, a band of rows twice, 96 rows, and an f32 for
 * each row of each group.
 * @returns undefined for what `quantizeExl2` refuses, which names it: a weight that is not finite or too large, or wrong sizes
 */
export async function packExl2Rows(
  weight: FloatRows,
  recipe: Exl2Recipe,
): Promise<Record<string, Uint8Array> | undefined> {
  const { rows, columns, importance, source } = weight;
  // what `pack` refuses in words
  if (columns % 32 !== 0 || (importance !== undefined && importance.length !== columns)) return undefined;
  const ordered = await orderOf(weight, recipe);
  const sizes = recipeGroups(recipe, columns);
  const maximums = await maximumsOf(weight, ordered, sizes);
  if (maximums === undefined) return undefined;
  const { maxScales, steps } = maximums;
  const { bytes, packCodes, finish } = exl2Packer(rows, columns, sizes);
  const nibbles = new Uint8Array(sizes.length * rows);
  const room = groupRoom(mostRows(source), sizes);
  const codes = new Uint8Array(room.length);
  for (const band of source.bands) {
    const values = await source.read(band);
    const count = band.end - band.start;
    for (const { index, group } of groupsOf({ values, rows: count, columns }, ordered, sizes, room)) {
      const at = index * rows + band.start;
      const ofGroup = nibbles.subarray(at, at + count);
      const maxScale = maxScales[index]!;
      chooseShares(group, steps.subarray(at, at + count), maxScale, ofGroup);
      const sixteen = groupScales(maxScale);
      roundCodes(
        group,
        Float32Array.from(ofGroup, (nibble) => sixteen[nibble]!),
        codes,
      );
      packCodes(index, codes, { rowStart: band.start, rows: count, from: 0, step: group.size });
    }
  }
  finish({ invperm: invertOrder(ordered.order), nibbles, maxScales });
  return bytes;
}

async function orderOf(
  { columns, importance, source }: FloatRows,
  recipe: Exl2Recipe,
): Promise<OrderedColumns> {
  const energies = needsEnergies(recipe, importance) ? new Float32Array(columns) : undefined;
  if (energies !== undefined) {
    for (const band of source.bands) addEnergies(await source.read(band), energies);
  }
  return columnsInOrder(columns, recipe, { importance, energies });
}

type Sizes = ReturnType<typeof recipeGroups>;

interface Maximums {
  /** f16 values, one per group. */
  readonly maxScales: Float32Array;
  /** `steps[group × rows + row]`. */
  readonly steps: Float32Array;
}

/** Undefined where a weight is not finite or too large. */
async function maximumsOf(
  weight: FloatRows,
  ordered: OrderedColumns,
  sizes: Sizes,
): Promise<Maximums | undefined> {
  const { rows, columns, source } = weight;
  const steps = new Float32Array(sizes.length * rows);
  const sampled = sampledRows(rows);
  const sample = new Float32Array(sampled.length * columns);
  const room = groupRoom(mostRows(source), sizes);
  let taken = 0;
  for (const band of source.bands) {
    const values = await source.read(band);
    if (!areFinite(values)) return undefined;
    const count = band.end - band.start;
    for (const { index, group } of groupsOf({ values, rows: count, columns }, ordered, sizes, room)) {
      const at = index * rows + band.start;
      measureSteps(group, steps.subarray(at, at + count));
    }
    for (; taken < sampled.length && sampled[taken]! < band.end; taken++) {
      const from = (sampled[taken]! - band.start) * columns;
      sample.set(values.subarray(from, from + columns), taken * columns);
    }
  }
  const maxScales = new Float32Array(sizes.length);
  const numbers = Int32Array.from(sampled, (_, row) => row);
  const ofSample = { values: sample, rows: sampled.length, columns };
  const sampleRoom = groupRoom(sampled.length, sizes);
  for (const { index, group } of groupsOf(ofSample, ordered, sizes, sampleRoom)) {
    const own = steps.subarray(index * rows, (index + 1) * rows);
    const wanted = { rows: numbers, steps: Float32Array.from(sampled, (row) => own[row]!) };
    const maximum = chooseMaximum(group, wanted, largestOf(own));
    if (maximum === undefined) return undefined;
    maxScales[index] = maximum;
  }
  return { maxScales, steps };
}

/** Memory for the weights of any group in so many rows. */
function groupRoom(rows: number, sizes: Sizes): Float32Array {
  return new Float32Array(rows * sizes.reduce((most, { rows: size }) => Math.max(most, size), 0));
}

function mostRows({ bands }: RepeatedRows): number {
  return bands.reduce((most, { start, end }) => Math.max(most, end - start), 0);
}

/** Each group of some rows, its weights copied into `room`: valid until the next one. */
function* groupsOf(
  { values, rows, columns }: { values: Float32Array; rows: number; columns: number },
  { order, importance }: OrderedColumns,
  sizes: Sizes,
  room: Float32Array,
): Generator<{ readonly index: number; readonly group: GroupWeights }> {
  let start = 0;
  for (const [index, { bits, rows: size }] of sizes.entries()) {
    const whole = { values, rows, width: columns, start, size, bits, importance };
    yield { index, group: bandOf(whole, order, room) };
    start += size;
  }
}

/** Views whose codes are levels of a table, and views with floats as offsets: what only some layouts hold. */
import { E2M1_VALUES, floatToE2m1 } from "../numeric/float4.ts";
import { E4M3_MAX, E4M3_VALUES, floatToE4m3 } from "../numeric/float8.ts";
import { isBfloat, isHalf, type ScaleNumbers, type ViewFacts, viewFacts } from "../view/facts.ts";
import { groupedView } from "../view/grouped-view.ts";
import { type Factor, type LevelView, type Span, type StoredView, spanLength } from "../view/level-view.ts";
import { e2m1Facts, float8Facts, type LevelFacts, type Scales } from "../view/table-facts.ts";
import { SHAPE } from "./packed.ts";
import { noise } from "./weight-values.ts";

const { rows, columns } = SHAPE;

/** A view and its facts. */
export interface NamedView {
  readonly name: string;
  readonly view: StoredView;
  readonly facts: ViewFacts;
}

interface Table {
  readonly levels: Float32Array;
  /** The code of a number between −1 and 1, so that all levels occur. */
  codeOf(value: number): number;
  facts(scales: Scales, scaleType: ScaleNumbers | undefined, scaleRows: number): LevelFacts;
}

const TABLES: Readonly<Record<"E2M1" | "E4M3", Table>> = {
  E2M1: {
    levels: E2M1_VALUES,
    codeOf: (value) => floatToE2m1(6 * value),
    facts: (scales, type) => e2m1Facts(scales, type),
  },
  E4M3: {
    levels: E4M3_VALUES,
    codeOf: (value) => floatToE4m3(E4M3_MAX * value),
    facts: (...scales) => float8Facts("F8_E4M3", ...scales),
  },
};

/** Scales of each kind of number. */
const SCALES: Readonly<Record<"F16" | "F32" | ScaleNumbers, (index: number) => number>> = {
  F16: (index) => (1 + (index % 100)) / 1024,
  F32: (index) => Math.fround((1 + index) / 7),
  E8M0: (index) => 2 ** ((index % 5) - 3),
  E4M3: (index) => E4M3_VALUES[0x20 + (index % 0x40)]!,
};

interface Recipe {
  readonly table: "E2M1" | "E4M3";
  readonly scale: "F32" | ScaleNumbers;
  readonly blockRows: number;
  readonly blockColumns: number;
}

const RECIPES: readonly Recipe[] = [
  { table: "E2M1", scale: "E8M0", blockRows: 1, blockColumns: 32 },
  { table: "E2M1", scale: "E4M3", blockRows: 1, blockColumns: 16 },
  { table: "E4M3", scale: "F32", blockRows: 1, blockColumns: columns },
  { table: "E4M3", scale: "E8M0", blockRows: 32, blockColumns: 32 },
  { table: "E4M3", scale: "F32", blockRows: 64, blockColumns: 64 },
  { table: "E4M3", scale: "E8M0", blockRows: 128, blockColumns: 128 },
];

/** Integers beside offsets that are no whole multiples of their scales. */
const BIASED: readonly (readonly [bits: number, groupSize: number, numbers: "F16" | "F32"])[] = [
  [4, 64, "F16"],
  [4, 64, "F32"],
];

/** All of them. */
export function levelViews(): readonly NamedView[] {
  return [...RECIPES.map(tableView), ...BIASED.map((recipe) => biasedView(...recipe))];
}

function tableView({ table, scale, blockRows, blockColumns }: Recipe): NamedView {
  const { levels, codeOf, facts } = TABLES[table];
  const view: LevelView = {
    rows,
    columns,
    codes: Uint8Array.from(noise(rows * columns, blockColumns), codeOf),
    levels,
    factors: [numbersOf({ kind: "blocks", blockRows, blockColumns }, SCALES[scale])],
    offset: { kind: "none" },
    rounding: "none",
  };
  const name = `${table} in blocks of ${blockRows} × ${blockColumns}, ${scale}`;
  const scaleType = scale === "F32" ? undefined : scale;
  const found = facts(scalesOf(view), scaleType, blockRows).facts;
  if (found === undefined) throw new Error(`${name} has no facts.`);
  return { name, view, facts: found };
}

function biasedView(bits: number, groupSize: number, numbers: "F16" | "F32"): NamedView {
  const span: Span = { kind: "blocks", blockRows: 1, blockColumns: groupSize };
  const maxCode = 2 ** bits - 1;
  // half a step beside a whole number of steps
  const biases = numbersOf(span, (index) => -SCALES[numbers](index) * (maxCode / 2));
  const view: LevelView = {
    rows,
    columns,
    codes: Uint8Array.from(noise(rows * columns, bits), (value) => Math.round(((value + 1) / 2) * maxCode)),
    levels: "integer",
    factors: [numbersOf(span, SCALES[numbers])],
    offset: { kind: "bias", ...biases },
    rounding: "none",
  };
  const scales = scalesOf(view);
  const zeros = new Int16Array(scales.scales.length);
  const facts: ViewFacts = {
    ...viewFacts({ ...scales, zeros, rounding: "none" }, maxCode),
    bias: { areHalf: biases.values.every(isHalf), areBfloat: biases.values.every(isBfloat) },
  };
  return { name: `${bits} bits in groups of ${groupSize}, ${numbers} offsets`, view, facts };
}

function numbersOf(span: Span, numberOf: (index: number) => number): Factor {
  const length = spanLength(span, rows, columns);
  return { values: Float32Array.from({ length }, (_, index) => numberOf(index)), span };
}

/** A scale for each row and group. */
function scalesOf(view: LevelView): Scales {
  const { view: grouped, misfit } = groupedView(view);
  if (grouped === undefined) throw new Error(misfit.reason);
  return grouped;
}

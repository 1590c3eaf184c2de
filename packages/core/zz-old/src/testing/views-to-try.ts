/** Views that differ in everything that decides whether a layout can hold them. */
import { E2M1_VALUES, floatToE2m1 } from "../numeric/float4.ts";
import { type ViewFacts, viewFacts } from "../view/facts.ts";
import { type IntegerView, sequentialGroups } from "../view/integer-view.ts";
import { quantizeView } from "../view/quantize.ts";
import { levelViews, type NamedView } from "./level-views.ts";
import { SHAPE } from "./packed.ts";
import { noise } from "./weight-values.ts";

interface Recipe {
  readonly bits: number;
  readonly groupSize: number;
  readonly symmetric: boolean;
  readonly scale: "F16" | "BF16" | "F32";
  /** True: every change is made to it. */
  readonly isChanged?: boolean;
}

const RECIPES: readonly Recipe[] = [
  { bits: 2, groupSize: 32, symmetric: false, scale: "F16", isChanged: true },
  { bits: 3, groupSize: 64, symmetric: true, scale: "F16" },
  { bits: 4, groupSize: 32, symmetric: true, scale: "F16" },
  { bits: 4, groupSize: 128, symmetric: true, scale: "F16", isChanged: true },
  { bits: 4, groupSize: 128, symmetric: false, scale: "F16", isChanged: true },
  { bits: 4, groupSize: 64, symmetric: false, scale: "BF16" },
  { bits: 4, groupSize: -1, symmetric: true, scale: "F32" },
  { bits: 8, groupSize: 128, symmetric: true, scale: "F16" },
  { bits: 8, groupSize: -1, symmetric: false, scale: "F32" },
];

/** Changes that are made to a view. */
const CHANGES: readonly (readonly [
  name: string,
  change: (view: IntegerView, maxCode: number) => IntegerView,
])[] = [
  ["as it is", (view) => view],
  [
    "negative scales",
    (view) => ({ ...view, scales: view.scales.map((scale, i) => (i % 3 === 0 ? -scale : scale)) }),
  ],
  [
    "zero points at both ends",
    (view, maxCode) => ({ ...view, zeros: view.zeros.map((_, i) => (i % 2) * maxCode) }),
  ],
  ["act-order", (view) => ({ ...view, groupOfColumn: scattered(view) })],
  ["rounded to f16", (view) => ({ ...view, rounding: "f16" })],
];

let made: readonly NamedView[] | undefined;

/** All of them, made once. */
export function viewsToTry(): readonly NamedView[] {
  made ??= [...RECIPES.flatMap(integerViews), floatBlocks(), ...levelViews()];
  return made;
}

function integerViews(recipe: Recipe): NamedView[] {
  const { rows, columns } = SHAPE;
  const { bits, groupSize, symmetric, scale } = recipe;
  const view = quantizeView(noise(rows * columns, bits + groupSize), rows, columns, recipe);
  const maxCode = 2 ** bits - 1;
  const name = `${bits} bits in groups of ${groupSize}, ${symmetric ? "symmetric" : "asymmetric"}, ${scale}`;
  const changes = recipe.isChanged === true ? CHANGES : CHANGES.slice(0, 1);
  return changes.map(([what, change]) => {
    const changed = change(view, maxCode);
    return { name: `${name}, ${what}`, view: changed, facts: viewFacts(changed, maxCode) };
  });
}

/** Four-bit floats as integers: twice the levels of E2M1 and half a power of two in blocks of 32 columns. */
function floatBlocks(): NamedView {
  const { rows, columns } = SHAPE;
  const groupCount = columns / 32;
  const codes = Uint8Array.from(noise(rows * columns, 7), (value) => {
    return 12 + 2 * E2M1_VALUES[floatToE2m1(40 * value)]!;
  });
  const scales = Float32Array.from({ length: rows * groupCount }, (_, i) => 2 ** ((i % 5) - 3));
  const view: IntegerView = {
    rows,
    columns,
    groupCount,
    groupOfColumn: sequentialGroups(columns, 32),
    codes,
    scales,
    zeros: new Int16Array(scales.length).fill(12),
    rounding: "none",
  };
  const facts: ViewFacts = { ...viewFacts(view, 24), table: "E2M1", scaleType: "both" };
  return { name: "E2M1 in blocks of 32, powers of two", view, facts };
}

/** Spreads the columns of each group over the row; each group keeps its number of columns. */
function scattered({ groupOfColumn, columns }: IntegerView): Int32Array {
  return groupOfColumn.map((_, column) => groupOfColumn[(column * 13 + 5) % columns]!);
}

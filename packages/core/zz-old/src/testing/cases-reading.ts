import type { LinearWeight, OpenedWeight } from "../format/linear-codec.ts";
import { F16 } from "../numeric/f16.ts";
import { isBfloat, isHalf, type ViewFacts } from "../view/facts.ts";
import { groupSizeOf, type IntegerView } from "../view/integer-view.ts";
import { CALLER_FAULTS, check, checkBits, checkBytes, checkRefused, sha256 } from "./check.ts";
import type { ConformanceCase, Subject } from "./conformance-case.ts";
import { type FormatVector, findWeight } from "./format-vector.ts";
import { rowsOf, valuesOfView, viewOf } from "./weight-values.ts";

type Check = (subject: Subject, vector: FormatVector) => Promise<void>;

/** What every vector must show when it is read. */
const CHECKS: readonly (readonly [name: string, run: Check])[] = [
  ["golden values", goldenValues],
  ["rows do not depend on how they are read", bandsAgree],
  ["rows are what the view says", rowsAreTheView],
  ["facts hold for the view", factsHold],
  ["bytes that begin at an odd address read the same", unalignedBytes],
  ["rows that are not there are refused", missingRows],
];

/** How a weight is read. */
export function readingCases(subject: Subject): ConformanceCase[] {
  return subject.vectors.flatMap((vector) =>
    CHECKS.map(([name, run]) => ({ name: `${name}: ${vector.name}`, run: () => run(subject, vector) })),
  );
}

/** Opens a vector as it is. */
async function opened({ format }: Subject, vector: FormatVector): Promise<OpenedWeight> {
  return (await findWeight(format, vector)).open(vector.bytes);
}

async function goldenValues({ format }: Subject, vector: FormatVector): Promise<void> {
  const { expected, bytes } = vector;
  const before = copied(bytes);
  const found = await findWeight(format, vector);
  const { layout, facts } = found.examine(bytes);
  const weight = found.open(bytes);
  for (const sized of [found, layout, facts, weight]) {
    if (sized === undefined) continue;
    const { rows, columns } = sized;
    const isSize = rows === expected.rows && columns === expected.columns;
    check(isSize, `A size is [${rows}, ${columns}]; [${expected.rows}, ${expected.columns}] was expected.`);
  }
  checkFields("layout", layout, expected.layout);
  checkFields("facts", facts ?? {}, expected.facts);
  const values = rowsOf(weight);
  const halves = new Uint8Array(2 * values.length);
  F16.quantize?.(values, weight.columns, halves);
  const view = viewOf(weight);
  const digests: readonly (readonly [
    what: string,
    expected: string | undefined,
    of: Float32Array | Uint8Array,
  ])[] = [
    ["The values", expected.valuesSha256, values],
    ["The values rounded to f16", expected.halvesSha256, halves],
    ["The values of the view", expected.viewSha256, view === undefined ? values : valuesOfView(view)],
  ];
  const hasOracle = [expected.values, expected.valuesSha256, expected.halvesSha256];
  check(
    hasOracle.some((one) => one !== undefined),
    "The vector does not say its values.",
  );
  if (expected.values !== undefined) checkBits(values, expected.values, "The values");
  for (const [what, digest, of] of digests) {
    if (digest === undefined) continue;
    const own = await sha256(of);
    check(own === digest, `${what} have SHA-256 ${own}; ${digest} was expected.`);
  }
  if (expected.codes !== undefined) checkBytes(view?.codes ?? new Uint8Array(0), expected.codes, "The codes");
  for (const [suffix, part] of Object.entries(bytes)) {
    checkBytes(part, before[suffix] ?? part, `The part ${suffix} was changed by reading it`);
  }
}

function checkFields(what: string, found: object, expected: object = {}): void {
  const fields = new Map<string, unknown>(Object.entries(found));
  for (const [key, value] of Object.entries(expected)) {
    const own = fields.get(key);
    check(own === value, `${what}.${key} is ${String(own)}; ${String(value)} was expected.`);
  }
}

function copied(bytes: FormatVector["bytes"]): Record<string, Uint8Array> {
  return Object.fromEntries(Object.entries(bytes).map(([suffix, part]) => [suffix, part.slice()]));
}

/** Bands that begin and end anywhere: single rows, a seam of whole words, uneven ones. */
function bandsOf(rows: number): readonly (readonly [start: number, end: number])[] {
  const bands = [
    [0, 1],
    [0, 0],
    [rows - 1, rows],
    [Math.min(1, rows), Math.min(4, rows)],
    [Math.min(31, rows), Math.min(36, rows)],
    [Math.floor(rows / 2), rows],
    [0, rows],
  ] as const;
  return bands;
}

async function bandsAgree(subject: Subject, vector: FormatVector): Promise<void> {
  const weight = await opened(subject, vector);
  const { rows, columns } = weight;
  const values = rowsOf(weight);
  for (const [start, end] of bandsOf(rows)) {
    const where = `rows ${start} to ${end}`;
    const own = values.subarray(start * columns, end * columns);
    checkBits(rowsOf(weight, start, end), own, where);
    const levels = weight.toLevels?.(start, end);
    if (levels !== undefined) checkBits(valuesOfView(levels), own, `the view of ${where}`);
  }
  if (weight.toView !== undefined) viewBandsAgree(weight);
}

function viewBandsAgree(weight: LinearWeight): void {
  const { rows, columns } = weight;
  const whole = weight.toView(0, rows);
  for (const [start, end] of bandsOf(rows)) {
    const where = `rows ${start} to ${end}`;
    const view = weight.toView(start, end);
    checkBytes(view.codes, whole.codes.subarray(start * columns, end * columns), `codes of ${where}`);
    const groups = [start * whole.groupCount, end * whole.groupCount] as const;
    checkBits(view.scales, whole.scales.subarray(...groups), `scales of ${where}`);
    check(
      view.zeros.join() === whole.zeros.subarray(...groups).join(),
      `${where}: other zero points than in the whole view.`,
    );
  }
  checkColumns(weight, whole);
}

/** Codes of some columns, written into memory of the caller. */
function checkColumns(weight: LinearWeight, whole: IntegerView): void {
  const { columns, columnMultiple, rows } = weight;
  const [columnStart, columnEnd] = [Math.min(columnMultiple, columns - (columns % columnMultiple)), columns];
  const width = columnEnd - columnStart;
  const codes = new Uint8Array(rows * width);
  const { codes: written } = weight.toView(0, rows, { codes, columnStart, columnEnd });
  check(written === codes, "A view of some columns is not in the memory that was given.");
  for (let row = 0; row < rows; row++) {
    checkBytes(
      codes.subarray(row * width, (row + 1) * width),
      whole.codes.subarray(row * columns + columnStart, (row + 1) * columns),
      `codes of columns ${columnStart} to ${columnEnd} of row ${row}`,
    );
  }
}

async function rowsAreTheView(subject: Subject, vector: FormatVector): Promise<void> {
  const { facts, noView } = (await findWeight(subject.format, vector)).examine(vector.bytes);
  const weight = await opened(subject, vector);
  const values = rowsOf(weight);
  const levels = weight.toLevels?.(0, weight.rows);
  if (levels !== undefined) checkBits(values, valuesOfView(levels), "The rows next to the levels");
  else
    check(
      weight.toView !== undefined || noView !== undefined,
      "The weight has no view, and does not say why.",
    );
  if (weight.toView === undefined) return;
  const view = weight.toView(0, weight.rows);
  if (facts?.storedOffsets === "integer") {
    checkBits(values, valuesOfView(view), "The rows next to the view");
    return;
  }
  checkRoundedOffsets(values, view);
}

/** Bits of an f16 number's fraction, and the smallest step of f16. */
const HALF = { fraction: 2 ** -10, least: 2 ** -24 } as const;

/** Files that store scale × zero point rounded to f16: no value is further from the view than that rounding. */
function checkRoundedOffsets(values: Float32Array, view: IntegerView): void {
  const exact = valuesOfView(view);
  const { columns, groupCount, groupOfColumn, scales, zeros } = view;
  for (let i = 0; i < values.length; i++) {
    const group = Math.floor(i / columns) * groupCount + groupOfColumn[i % columns]!;
    const size = Math.abs(scales[group]! * zeros[group]!) + Math.abs(exact[i]!);
    const most = size * HALF.fraction + HALF.least;
    const away = Math.abs(values[i]! - exact[i]!);
    check(
      away <= most,
      `Value ${i} is ${values[i]}; the view says ${exact[i]}, and rounding moves it by ${most}.`,
    );
  }
}

/** Plans rely on the facts, which come from the small parts alone: the facts must hold for every number. */
async function factsHold({ format }: Subject, vector: FormatVector): Promise<void> {
  const found = await findWeight(format, vector);
  const small = Object.fromEntries(
    Object.entries(vector.bytes).filter(([suffix]) => found.parameterSuffixes.includes(suffix)),
  );
  const { facts, exactIn = [] } = found.examine(small);
  const weight = found.open(vector.bytes);
  for (const encoding of exactIn) {
    const holds = encoding === "F16" ? isHalf : isBfloat;
    const isExact = rowsOf(weight).every((value) => Number.isNaN(value) || holds(value));
    check(isExact, `The examination says that ${encoding} holds every value, and one it does not.`);
  }
  if (weight.toView === undefined) return;
  check(facts !== undefined, "The weight has a view of integers, and no facts about it.");
  const view = weight.toView(0, weight.rows);
  const range = rangesOf(view);
  const bounds: readonly (readonly [what: string, found: number, bound: number, isMost: boolean])[] = [
    ["the largest code", range.maxCode, facts.maxCode, true],
    ["the smallest zero point", range.minZero, facts.minZero, false],
    ["the largest zero point", range.maxZero, facts.maxZero, true],
    ["the smallest code minus zero point", range.minOffset, facts.minOffset, false],
    ["the largest code minus zero point", range.maxOffset, facts.maxOffset, true],
  ];
  for (const [what, value, bound, isMost] of bounds) {
    check(isMost ? value <= bound : value >= bound, `The facts say ${bound} for ${what}, which is ${value}.`);
  }
  checkGroups(facts, view);
  const exact = (what: string, claimed: boolean, holds: (value: number) => boolean): void => {
    check(!claimed || view.scales.every(holds), `The facts say that ${what}, and one is not.`);
  };
  exact("scales are f16 numbers", facts.scalesAreHalf, (scale) => halfOf(scale) === scale);
  exact("scales are not negative", !facts.hasNegativeScales, (scale) => scale >= 0);
}

function halfOf(value: number): number {
  const half = new Uint8Array(2);
  const out = new Float32Array(1);
  F16.quantize?.(Float32Array.of(value), 1, half);
  F16.dequantize(half, out);
  return out[0]!;
}

function checkGroups(facts: ViewFacts, view: IntegerView): void {
  check(
    facts.groupCount === view.groupCount,
    `The facts say ${facts.groupCount} groups; the view has others.`,
  );
  const size = groupSizeOf(view.groupOfColumn);
  check(
    facts.groupSize === size,
    `The facts say groups of ${facts.groupSize}; the view has groups of ${size}.`,
  );
  check(facts.rounding === view.rounding, "The facts and the view say different roundings.");
}

function rangesOf({ columns, codes, zeros, groupCount, groupOfColumn }: IntegerView) {
  const found = {
    maxCode: 0,
    minZero: Infinity,
    maxZero: -Infinity,
    minOffset: Infinity,
    maxOffset: -Infinity,
  };
  for (let i = 0; i < codes.length; i++) {
    const zero = zeros[Math.floor(i / columns) * groupCount + groupOfColumn[i % columns]!]!;
    const code = codes[i]!;
    found.maxCode = Math.max(found.maxCode, code);
    found.minZero = Math.min(found.minZero, zero);
    found.maxZero = Math.max(found.maxZero, zero);
    found.minOffset = Math.min(found.minOffset, code - zero);
    found.maxOffset = Math.max(found.maxOffset, code - zero);
  }
  return found;
}

async function unalignedBytes(subject: Subject, vector: FormatVector): Promise<void> {
  const moved = Object.fromEntries(
    Object.entries(vector.bytes).map(([suffix, part]) => {
      const shifted = new Uint8Array(part.length + 1);
      shifted.set(part, 1);
      return [suffix, shifted.subarray(1)];
    }),
  );
  const weight = await opened(subject, { ...vector, bytes: moved });
  checkBits(rowsOf(weight), rowsOf(await opened(subject, vector)), "Bytes at an odd address");
}

async function missingRows(subject: Subject, vector: FormatVector): Promise<void> {
  const weight = await opened(subject, vector);
  const { rows, columns } = weight;
  const out = (count: number): Float32Array => new Float32Array(count * columns);
  const wrong: readonly (readonly [what: string, work: () => unknown])[] = [
    ["one row too many", () => weight.dequantize(0, rows + 1, out(rows + 1))],
    ["a row before the first", () => weight.dequantize(-1, 1, out(2))],
    ["half a row", () => weight.dequantize(0, 0.5, out(1))],
    ...(viewOf(weight) === undefined
      ? []
      : ([
          ["an end before the start", () => viewOf(weight, 1, 0)],
          ["a view of one row too many", () => viewOf(weight, 0, rows + 1)],
          ["half a row of a view", () => viewOf(weight, 0, 0.5)],
        ] as const)),
    ["memory for too few rows", () => weight.dequantize(0, rows, out(rows - 1))],
  ];
  for (const [what, work] of wrong) await checkRefused(work, CALLER_FAULTS, what);
}

import { UsageError } from "../errors.ts";
import { allocateParts, type PartBytes } from "../format/linear-codec.ts";
import type { WeightEncoder, WeightTarget } from "../format/weight-target.ts";
import { spellWords } from "../format/word-spec.ts";
import { solveFactor } from "../kernels/factor-twin.ts";
import { solvePacking } from "../kernels/solve-twin.ts";
import { largestCode } from "../solve/solve-view.ts";
import { columnImportance, type InputStatistics } from "../solve/statistics.ts";
import { integerView } from "../view/grouped-view.ts";
import { isLevelView, type StoredView } from "../view/level-view.ts";
import { levelWeight } from "../view/level-weight.ts";
import { takesOnlyIntegers, viewMisfit } from "../view/requirement.ts";
import { attempt, check, checkBits, checkBytes } from "./check.ts";
import type { ConformanceCase, Subject } from "./conformance-case.ts";
import { DEFAULT_MODULE, type FormatVector, findWeight } from "./format-vector.ts";
import { allPackedFloats, layoutsOf, packedFloats, settingsToTry } from "./packed.ts";
import { plainLayoutOf } from "./plain-layout.ts";
import { viewsToTry } from "./views-to-try.ts";
import { halvesOf, noise, rowsOf, valuesOfView, viewOf } from "./weight-values.ts";

/** Weights that were read are written again. */
export function packingCases({ format, vectors }: Subject): ConformanceCase[] {
  const { target } = format;
  if (target === undefined) return [];
  return vectors.map((vector) => ({
    name: `packing what was unpacked gives the same bytes: ${vector.name}`,
    async run() {
      const found = await findWeight(format, vector);
      const encoder = target.encoder(plainLayoutOf(found.examine(vector.bytes).layout));
      checkSameParts(encoder, vector);
      const weight = found.open(vector.bytes);
      const bandsOf = (start: number, end: number): StoredView => {
        const view = viewOf(weight, start, end);
        if (view === undefined) throw new UsageError("The weight has no view of these rows.");
        return view;
      };
      const hasView = viewOf(weight, 0, 0) !== undefined;
      const { value, refusal } = hasView
        ? await attempt(() => packed(encoder, weight.rows, bandsOf), ["USAGE"], "packing the view")
        : { value: undefined, refusal: { message: "there is no view" } };
      if (refusal === undefined && value !== undefined) checkParts(value, vector.bytes);
      // a format that chooses its codes from floats must state that in `whyNewCodes`, which plans read
      else
        check(
          target.whyNewCodes !== undefined || vector.whyNotPacked !== undefined,
          `The view is refused without a reason: ${refusal?.message}`,
        );
    },
  }));
}

function checkSameParts({ parts }: WeightEncoder, vector: FormatVector): void {
  const text = (list: FormatVector["parts"]): string =>
    list
      .map(({ suffix, encoding, shape }) => `${suffix} ${encoding} [${shape.join(", ")}]`)
      .sort()
      .join("; ");
  check(
    text(parts) === text(vector.parts),
    `The layout that was read has the parts ${text(parts)}; the vector has ${text(vector.parts)}.`,
  );
}

/** A weight packed from its view, in the shortest bands that the encoder takes. */
function packed(
  encoder: WeightEncoder,
  rows: number,
  viewOfRows: (start: number, end: number) => StoredView,
): Record<string, Uint8Array> {
  const bytes = allocateParts(encoder.parts);
  for (let row = 0; row < rows; row += encoder.rowMultiple) {
    encoder.fromView(viewOfRows(row, Math.min(rows, row + encoder.rowMultiple)), row, bytes);
  }
  return bytes;
}

function checkParts(found: PartBytes, expected: PartBytes): void {
  for (const [suffix, part] of Object.entries(expected)) {
    checkBytes(found[suffix] ?? new Uint8Array(0), part, `The part ${suffix}`);
  }
}

/** What a target promises to plans. */
export function promiseCases({ format }: Subject): ConformanceCase[] {
  const { target } = format;
  if (target === undefined) return [];
  return [
    { name: "offers that promise every value keep every value", run: async () => keepsPromises(target) },
    {
      name: "a packed weight has the values of the view it was packed from",
      run: async () => storesViews(target),
    },
    {
      name: "a solved weight is stored, and leaves less error in the layer's output than a rounded one",
      run: async () => solvesWeights(target),
    },
    { name: "the configuration that is written is read back", run: () => readsItself({ format }, target) },
  ];
}

/** Every offer for every view, where the plan would say "exact". */
function keepsPromises(target: WeightTarget): void {
  let kept = 0;
  for (const settings of settingsToTry(target)) {
    for (const { name, view, facts } of viewsToTry()) {
      const { rows, columns } = view;
      const request = { module: DEFAULT_MODULE, rows, columns, views: [facts] };
      for (const offer of layoutsOf(target, request, settings)) {
        if (offer.requirement === undefined || viewMisfit(facts, offer.requirement) !== undefined) continue;
        const where = `${spellWords(target.words, settings)}, ${name}`;
        checkKept(target.encoder(offer.layout), view, where);
        kept++;
      }
    }
  }
  check(
    kept > 0 || target.whyNewCodes !== undefined,
    "The target keeps the values of no view, and does not say why.",
  );
}

function checkKept(encoder: WeightEncoder, view: StoredView, where: string): void {
  const { requirement } = encoder;
  const isKept = requirement !== undefined && !takesOnlyIntegers(requirement);
  const { view: written, misfit } = isKept ? { view } : integerView(view);
  if (written === undefined) throw new Error(`${where}: no integers say the same, because ${misfit.reason}.`);
  const bytes = packed(encoder, view.rows, (start, end) => bandOf(written, start, end));
  const found = rowsOf(encoder.open(bytes));
  const expected = valuesOfView(view);
  // the layout's readers round to f16, so the plan may assume that rounding
  checkBits(
    withoutMinusZero(view.rounding === "f16" ? halvesOf(found) : found),
    withoutMinusZero(expected),
    where,
  );
}

/** A layout that adds an offset gives 0 where a layout that multiplies gives −0: the same weight. */
function withoutMinusZero(values: Float32Array): Float32Array {
  return values.map((value) => value + 0);
}

function bandOf(view: StoredView, start: number, end: number): StoredView {
  if (isLevelView(view)) {
    const { columns, codes } = view;
    const weight = levelWeight(view, (first, last, out) => {
      out.set(codes.subarray(first * columns, last * columns));
    });
    return weight.toLevels(start, end);
  }
  const { columns, groupCount, codes, scales, zeros } = view;
  return {
    ...view,
    rows: end - start,
    codes: codes.slice(start * columns, end * columns),
    scales: scales.slice(start * groupCount, end * groupCount),
    zeros: zeros.slice(start * groupCount, end * groupCount),
  };
}

/** `storesViewExactly`: errors are measured on the view, without reading what was packed. */
function storesViews(target: WeightTarget): void {
  for (const { encoder, bytes, view, label } of allPackedFloats(target)) {
    const found = rowsOf(encoder.open(bytes));
    check(
      found.every((value) => Number.isFinite(value)),
      `${label}: a value is not finite.`,
    );
    const { floats } = encoder;
    const isExact = floats.kind === "view" && floats.storesViewExactly;
    if (view !== undefined && isExact) checkBits(found, valuesOfView(view), label);
  }
}

/** Inputs whose columns depend on each other; the error of the output is summed over them. */
function inputsOf(columns: number): Float32Array[] {
  return Array.from({ length: 64 }, (_, token) => {
    const own = noise(columns, token + 1);
    const common = own[0]!;
    return own.map((value, column) => value * (1 + (column % 3)) + 2 * common * ((column % 4) + 1));
  });
}

function outputErrorOf(inputs: readonly Float32Array[], values: Float32Array, changed: Float32Array): number {
  let error = 0;
  for (const x of inputs) {
    for (let start = 0; start < values.length; start += x.length) {
      let difference = 0;
      for (let i = 0; i < x.length; i++) difference += x[i]! * (values[start + i]! - changed[start + i]!);
      error += difference ** 2;
    }
  }
  return error;
}

function statisticsOf(inputs: readonly Float32Array[], columns: number): InputStatistics {
  const moments = new Float32Array(columns * columns);
  for (const x of inputs) {
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < columns; j++) moments[i * columns + j]! += (x[i]! * x[j]!) / inputs.length;
    }
  }
  return { columns, tokens: inputs.length, moments, meanAbs: new Float32Array(columns) };
}

/** Rows are whole blocks of every layout. */
const SOLVED_SHAPE = { rows: 64, columns: 256 } as const;

/** Every layout that packs floats as a view whose codes can be solved. */
function solvesWeights(target: WeightTarget): void {
  const { rows, columns } = SOLVED_SHAPE;
  const inputs = inputsOf(columns);
  const statistics = statisticsOf(inputs, columns);
  const importance = columnImportance(statistics);
  const factor = solveFactor(statistics, { order: "act" });
  const values = noise(rows * columns, 3);
  const labels = new Set<string>();
  for (const settings of settingsToTry(target)) {
    for (const { encoder, label } of packedFloats(target, settings, SOLVED_SHAPE)) {
      const { floats } = encoder;
      // one of each width and group size is enough
      if (floats.kind !== "view" || largestCode(encoder) === undefined || labels.has(label)) continue;
      labels.add(label);
      const solved = solvePacking({ ...encoder, floats }, values, rows, { factor, importance });
      const [plain, better] = [floats.quantize(values, rows), solved].map((own) => {
        const bytes = packed(encoder, rows, (start, end) => bandOf(own, start, end));
        return rowsOf(encoder.open(bytes));
      });
      if (plain === undefined || better === undefined) continue;
      if (floats.storesViewExactly) checkBits(better, valuesOfView(solved), `${label}, solved`);
      const errors = [plain, better].map((own) => outputErrorOf(inputs, values, own));
      check(errors[1]! < errors[0]!, `${label}: solved, the error is ${errors[1]}; rounded, ${errors[0]}.`);
    }
  }
}

/** A packed weight, read back by the configuration that is written beside it. */
async function readsItself(subject: Pick<Subject, "format">, target: WeightTarget): Promise<void> {
  const { format } = subject;
  const all = allPackedFloats(target);
  for (const { encoder, offer, settled, bytes, label } of all) {
    const { config } = target.config({
      settings: settled,
      packed: [{ module: DEFAULT_MODULE, layout: offer.layout }],
      left: [],
      sourceConfig: undefined,
    });
    const plain: unknown = JSON.parse(JSON.stringify(config));
    const stored = { parts: encoder.parts, bytes, config: plain };
    const weight = (await findWeight(format, stored)).open(bytes);
    checkBits(rowsOf(weight), rowsOf(encoder.open(bytes)), label);
    const unknown = Object.keys(config).filter((key) => !format.configKeys.includes(key));
    check(unknown.length === 0, `${label}: configKeys lacks ${unknown.join(", ")}, which is written.`);
  }
  check(all.length > 0, "No settings of the target pack any weight of floats.");
}

import { dequantizeView, groupSizeOf, type IntegerView, sequentialGroups } from "@requant/core/view";
import { sourceRowOf } from "@requant/models";

/** A tensor that differs between two models, and access to both sides' rows (small numbers of them at a time). */
export interface Suspect {
  readonly name: string;
  readonly rowCount: number;
  readonly rowLength: number;
  readonly relativeRmse: number;
  /** Numbers of attention heads that the models' facts name. */
  readonly headCounts: readonly number[];
  a(start: number, end: number): Promise<Float32Array>;
  b(start: number, end: number): Promise<Float32Array>;
  /** The same rows as integers, on the sides that store them so. */
  readonly views: {
    readonly a?: ((start: number, end: number) => Promise<IntegerView>) | undefined;
    readonly b?: ((start: number, end: number) => Promise<IntegerView>) | undefined;
  };
}

/** One known fault: `find` returns what to tell the user, or undefined. */
export interface Diagnosis {
  readonly name: string;
  find(suspect: Suspect): Promise<string | undefined>;
}

/** An explanation must take away three quarters of the error: rounding of a quantized side may stay. */
const EXPLAINED = 0.25;
const GROUP_SIZES: readonly number[] = [128, 64, 32];
/**
 * With the integers at hand the fault is known but for its size. One step against the rounding of a float original, which
 * is at most half a step, leaves 0.28 of the error.
 */
const EXPLAINED_BY_INTEGERS = 0.4;
/** Rows that are looked at, at most; one attention head always fits. */
const SAMPLE_ROWS = 256;

function relativeRmse(expected: Float32Array, found: Float32Array): number {
  let [noise, signal] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    noise += (expected[i]! - found[i]!) ** 2;
    signal += expected[i]! ** 2;
  }
  return Math.sqrt(noise / signal);
}

async function sample(suspect: Suspect): Promise<{ rows: number; a: Float32Array; b: Float32Array }> {
  const rows = Math.min(suspect.rowCount, SAMPLE_ROWS);
  return { rows, a: await suspect.a(0, rows), b: await suspect.b(0, rows) };
}

const rowsPermuted: Diagnosis = {
  name: "rows-permuted",
  async find(suspect) {
    for (const headCount of suspect.headCounts) {
      const rows = suspect.rowCount / headCount;
      if (!Number.isInteger(rows) || rows % 2 !== 0 || rows < 4) continue;
      const [a, b] = [await suspect.a(0, rows), await suspect.b(0, rows)];
      const before = relativeRmse(a, b);
      for (const kind of ["rope-to-pairs", "rope-to-halves"] as const) {
        const originOf = sourceRowOf({ kind, headCount: 1 }, rows);
        const moved = new Float32Array(a.length);
        for (let row = 0; row < rows; row++) {
          const origin = originOf(row) * suspect.rowLength;
          moved.set(a.subarray(origin, origin + suspect.rowLength), row * suspect.rowLength);
        }
        if (relativeRmse(moved, b) < before * EXPLAINED) {
          const order =
            kind === "rope-to-pairs"
              ? "interleaved pairs (GGUF's order)"
              : "two halves (Hugging Face's order)";
          return `rows permuted: the second model has the rotary dimensions of each of ${headCount} heads as ${order}, the first has not`;
        }
      }
    }
    return undefined;
  },
};

/** Stored column by column under the shape of the right matrix; where rows and columns are as many, simply turned. */
const transposed: Diagnosis = {
  name: "transposed",
  async find(suspect) {
    const { rowCount, rowLength } = suspect;
    const columns = Math.min(8, rowLength);
    const count = columns * rowCount;
    const rows = Math.min(rowCount, Math.ceil(count / rowLength));
    const gathered = new Float32Array(count);
    for (let start = 0; start < rowCount; start += SAMPLE_ROWS) {
      const end = Math.min(start + SAMPLE_ROWS, rowCount);
      const band = await suspect.a(start, end);
      for (let row = start; row < end; row++) {
        for (let column = 0; column < columns; column++)
          gathered[column * rowCount + row] = band[(row - start) * rowLength + column]!;
      }
    }
    const length = Math.min(count, rows * rowLength);
    const [a, b] = [await suspect.a(0, rows), await suspect.b(0, rows)].map((values) =>
      values.subarray(0, length),
    );
    return a !== undefined &&
      b !== undefined &&
      relativeRmse(gathered.subarray(0, length), b) < relativeRmse(a, b) * EXPLAINED
      ? "transposed: the second model's rows are the first one's columns"
      : undefined;
  },
};

const scaled: Diagnosis = {
  name: "scaled",
  async find(suspect) {
    const { a, b } = await sample(suspect);
    let [products, squares] = [0, 0];
    for (let i = 0; i < a.length; i++) {
      products += a[i]! * b[i]!;
      squares += a[i]! ** 2;
    }
    const factor = products / squares;
    if (!Number.isFinite(factor) || Math.abs(factor) < 1e-12) return undefined;
    const explained = a.map((value) => value * factor);
    return relativeRmse(explained, b) < relativeRmse(a, b) * EXPLAINED
      ? `scaled: the second model's values are the first one's times ${Number(factor.toPrecision(6))}`
      : undefined;
  },
};

const shifted: Diagnosis = {
  name: "zero-point",
  async find(suspect) {
    const { a, b } = await sample(suspect);
    const before = relativeRmse(a, b);
    for (const size of GROUP_SIZES.filter((candidate) => suspect.rowLength % candidate === 0)) {
      const explained = new Float32Array(a.length);
      for (let start = 0; start < a.length; start += size) {
        let shift = 0;
        for (let i = start; i < start + size; i++) shift += b[i]! - a[i]!;
        shift /= size;
        for (let i = start; i < start + size; i++) explained[i] = a[i]! + shift;
      }
      if (relativeRmse(explained, b) < before * EXPLAINED) {
        return `zero point: in each group of ${size} columns all values differ by one step, as with a zero point that is off by one (GPTQ v1 read as v2, or the reverse)`;
      }
    }
    return undefined;
  },
};

/** AWQ's order of eight out features in a word (AutoAWQ, utils/packing_utils.py). */
const AWQ_ORDER: readonly number[] = [0, 2, 4, 6, 1, 3, 5, 7];

/**
 * Codes and zero points of eight neighbouring rows in the wrong order, each under the scale of another row. Scales are in
 * natural order, so each group may differ by a factor.
 */
const awqOrder: Diagnosis = {
  name: "awq-order",
  async find(suspect) {
    if (suspect.rowCount % 8 !== 0) return undefined;
    const { a, b, rows } = await sample(suspect);
    const before = relativeRmse(a, b);
    const length = suspect.rowLength;
    for (const inverse of [false, true]) {
      for (const size of GROUP_SIZES.filter((candidate) => length % candidate === 0)) {
        const explained = new Float32Array(a.length);
        for (let row = 0; row < rows - (rows % 8); row++) {
          const place = row % 8;
          const from = row - place + (inverse ? AWQ_ORDER.indexOf(place) : AWQ_ORDER[place]!);
          for (let group = 0; group < length; group += size) {
            fitted(a, from * length + group, b, row * length + group, size, explained);
          }
        }
        if (relativeRmse(b, explained) < before * EXPLAINED) {
          return "AWQ order: in each eight rows the codes stand in the order 0 2 4 6 1 3 5 7 of AWQ's words; one side was packed or unpacked without undoing it";
        }
      }
    }
    return undefined;
  },
};

/** `out` at `to`: the values of `a` at `from`, times the factor that brings them nearest to those of `b` at `to`. */
function fitted(
  a: Float32Array,
  from: number,
  b: Float32Array,
  to: number,
  size: number,
  out: Float32Array,
): void {
  let [products, squares] = [0, 0];
  for (let i = 0; i < size; i++) {
    products += a[from + i]! * b[to + i]!;
    squares += a[from + i]! ** 2;
  }
  const factor = squares === 0 ? 0 : products / squares;
  for (let i = 0; i < size; i++) out[to + i] = a[from + i]! * factor;
}

/** A fault that shows in integers: what one side would be worth if it were read wrongly, next to the other side. */
function misreading(
  name: string,
  text: (wrong: "first" | "second") => string,
  misread: (view: IntegerView) => readonly IntegerView[],
): Diagnosis {
  return {
    name,
    async find(suspect) {
      const { rows, a, b } = await sample(suspect);
      const before = relativeRmse(a, b);
      for (const side of ["a", "b"] as const) {
        const view = await suspect.views[side]?.(0, rows);
        if (view === undefined) continue;
        const values = new Float32Array(a.length);
        for (const wrong of misread(view)) {
          dequantizeView(wrong, values);
          const [expected, found] = side === "a" ? [values, b] : [a, values];
          // the side whose integers explain the other is the one that is read rightly
          if (relativeRmse(expected, found) < before * EXPLAINED_BY_INTEGERS)
            return text(side === "a" ? "second" : "first");
        }
      }
      return undefined;
    },
  };
}

const actOrderIgnored: Diagnosis = misreading(
  "act-order",
  (wrong) =>
    `act-order ignored: the ${wrong} model takes the groups of columns one after another, where g_idx spreads them`,
  (view) => {
    if (groupSizeOf(view.groupOfColumn) !== undefined) return [];
    const size = Math.ceil(view.columns / view.groupCount);
    return [{ ...view, groupOfColumn: sequentialGroups(view.columns, size) }];
  },
);

const zeroOffByOne: Diagnosis = misreading(
  "zero-point",
  (wrong) =>
    `zero point: in the ${wrong} model all zero points are off by one (GPTQ v1 read as v2, or the reverse)`,
  (view) => [1, -1].map((step) => ({ ...view, zeros: view.zeros.map((zero) => zero + step) })),
);

/** Tried in this order: what is seen in integers first, as it is sure. Formats with more ways to be wrong add theirs. */
export const diagnoses: readonly Diagnosis[] = [
  actOrderIgnored,
  zeroOffByOne,
  rowsPermuted,
  transposed,
  scaled,
  awqOrder,
  shifted,
];

/** The first known fault that explains most of the difference. */
export async function diagnose(
  suspect: Suspect,
  list: readonly Diagnosis[] = diagnoses,
): Promise<string | undefined> {
  for (const diagnosis of list) {
    const found = await diagnosis.find(suspect);
    if (found !== undefined) return found;
  }
  return undefined;
}

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
}

/** One known fault: `find` returns what to tell the user, or undefined. */
export interface Diagnosis {
  readonly name: string;
  find(suspect: Suspect): Promise<string | undefined>;
}

/** An explanation must take away three quarters of the error: rounding of a quantized side may stay. */
const EXPLAINED = 0.25;
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

const transposed: Diagnosis = {
  name: "transposed",
  async find(suspect) {
    if (suspect.rowCount !== suspect.rowLength) return undefined;
    const size = suspect.rowLength;
    const columns = Math.min(8, size);
    const b = await suspect.b(0, columns);
    const gathered = new Float32Array(columns * size);
    for (let start = 0; start < size; start += SAMPLE_ROWS) {
      const end = Math.min(start + SAMPLE_ROWS, size);
      const rows = await suspect.a(start, end);
      for (let row = start; row < end; row++) {
        for (let column = 0; column < columns; column++)
          gathered[column * size + row] = rows[(row - start) * size + column]!;
      }
    }
    const a = await suspect.a(0, columns);
    return relativeRmse(gathered, b) < relativeRmse(a, b) * EXPLAINED
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

const GROUP_SIZES: readonly number[] = [128, 64, 32];

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

/** Tried in this order. Formats with more ways to be wrong add theirs. */
export const diagnoses: readonly Diagnosis[] = [rowsPermuted, transposed, scaled, shifted];

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

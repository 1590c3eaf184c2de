import type { Finding } from "@requant/core";
import {
  type Diagnosis,
  diagnosisLimits,
  relativeRmse,
  type Suspect,
  sampleSuspect,
} from "@requant/core/format";
import { dequantizeView, groupSizeOf, type IntegerView, sequentialGroups } from "@requant/core/view";
import { sourceRowOf } from "@requant/models";
import { weightFormats } from "../formats.ts";
import { completeFinding } from "../model/findings/finding.ts";

/**
 * With the integers at hand the fault is known but for its size. One step against the rounding of a float original, which
 * is at most half a step, leaves 0.28 of the error.
 */
const EXPLAINED_BY_INTEGERS = 0.4;
const rowsPermuted: Diagnosis = {
  code: "rows-permuted",
  meaning: "The rows of one model's heads stand in the order of the other model's naming.",
  hint: "Convert again with a tool that permutes the rows of this architecture.",
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
        if (relativeRmse(moved, b) < before * diagnosisLimits.explained) {
          const order =
            kind === "rope-to-pairs"
              ? "interleaved pairs (GGUF's order)"
              : "two halves (Hugging Face's order)";
          return `Rows permuted: the second model has the rotary dimensions of each of ${headCount} heads as ${order}, the first has not.`;
        }
      }
    }
    return undefined;
  },
};

/** Stored column by column under the shape of the right matrix; where rows and columns are as many, simply turned. */
export const transposed: Diagnosis = {
  code: "transposed",
  meaning: "The rows of one model are the columns of the other.",
  hint: "Convert again with a tool that transposes the weight.",
  async find(suspect) {
    const { rowCount, rowLength } = suspect;
    const columns = Math.min(8, rowLength);
    const count = columns * rowCount;
    const rows = Math.min(rowCount, Math.ceil(count / rowLength));
    const gathered = new Float32Array(count);
    for (let start = 0; start < rowCount; start += diagnosisLimits.sampleRows) {
      const end = Math.min(start + diagnosisLimits.sampleRows, rowCount);
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
      relativeRmse(gathered.subarray(0, length), b) < relativeRmse(a, b) * diagnosisLimits.explained
      ? "Transposed: the second model's rows are the first one's columns."
      : undefined;
  },
};

const scaled: Diagnosis = {
  code: "scaled",
  meaning: "The values of one model are those of the other times one number.",
  hint: "Look for a scale that was applied twice, or not at all.",
  async find(suspect) {
    const { a, b } = await sampleSuspect(suspect);
    let [products, squares] = [0, 0];
    for (let i = 0; i < a.length; i++) {
      products += a[i]! * b[i]!;
      squares += a[i]! ** 2;
    }
    const factor = products / squares;
    if (!Number.isFinite(factor) || Math.abs(factor) < 1e-12) return undefined;
    const explained = a.map((value) => value * factor);
    // of unrelated models the best factor is near zero, and what is left is all of the second one
    if (relativeRmse(b, explained) > diagnosisLimits.mostLeft) return undefined;
    return relativeRmse(explained, b) < relativeRmse(a, b) * diagnosisLimits.explained
      ? `Scaled: the second model's values are the first one's times ${Number(factor.toPrecision(6))}.`
      : undefined;
  },
};

const zeroPoint = {
  code: "zero-point",
  meaning: "The zero points of one model are off by one.",
  hint: "Look at the checkpoint format: zero points are stored minus one, or as they are.",
};

const shifted: Diagnosis = {
  ...zeroPoint,
  async find(suspect) {
    const { a, b } = await sampleSuspect(suspect);
    const before = relativeRmse(a, b);
    for (const size of diagnosisLimits.groupSizes.filter(
      (candidate) => suspect.rowLength % candidate === 0,
    )) {
      const explained = new Float32Array(a.length);
      for (let start = 0; start < a.length; start += size) {
        let shift = 0;
        for (let i = start; i < start + size; i++) shift += b[i]! - a[i]!;
        shift /= size;
        for (let i = start; i < start + size; i++) explained[i] = a[i]! + shift;
      }
      if (relativeRmse(b, explained) > diagnosisLimits.mostLeft) continue;
      if (relativeRmse(explained, b) < before * diagnosisLimits.explained) {
        return `Zero point: in each group of ${size} columns all values differ by one step, as with a zero point that is off by one (stored minus one and read as it is, or the reverse).`;
      }
    }
    return undefined;
  },
};

/** A fault that shows in integers: what one side would be worth if it were read wrongly, next to the other side. */
function misreading(
  fault: Omit<Diagnosis, "find">,
  text: (wrong: "first" | "second") => string,
  misread: (view: IntegerView) => readonly IntegerView[],
): Diagnosis {
  return {
    ...fault,
    async find(suspect) {
      const { rows, a, b } = await sampleSuspect(suspect);
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
  {
    code: "act-order",
    meaning: "One model takes the groups of columns one after another, where g_idx spreads them.",
    hint: "Convert that model again with a tool that reads g_idx.",
  },
  (wrong) =>
    `Act-order ignored: the ${wrong} model takes the groups of columns one after another, where g_idx spreads them.`,
  (view) => {
    if (groupSizeOf(view.groupOfColumn) !== undefined) return [];
    const size = Math.ceil(view.columns / view.groupCount);
    return [{ ...view, groupOfColumn: sequentialGroups(view.columns, size) }];
  },
);

const zeroOffByOne: Diagnosis = misreading(
  zeroPoint,
  (wrong) =>
    `Zero point: in the ${wrong} model all zero points are off by one (stored minus one and read as they are, or the reverse).`,
  (view) => [1, -1].map((step) => ({ ...view, zeros: view.zeros.map((zero) => zero + step) })),
);

/** Tried in this order: what is seen in integers first, as it is sure. Formats add their own. */
export const diagnoses: readonly Diagnosis[] = [
  actOrderIgnored,
  zeroOffByOne,
  rowsPermuted,
  transposed,
  scaled,
  ...weightFormats.flatMap((format) => format.diagnoses ?? []),
  shifted,
];

/** The first known fault that explains most of the difference. */
export async function diagnose(
  suspect: Suspect,
  list: readonly Diagnosis[] = diagnoses,
): Promise<Finding | undefined> {
  for (const diagnosis of list) {
    const message = await diagnosis.find(suspect);
    if (message !== undefined) return diagnosed(diagnosis, message, suspect.name);
  }
  return undefined;
}

/** A known fault of one tensor as a finding. */
export function diagnosed({ code, hint }: Diagnosis, message: string, tensor: string): Finding {
  return completeFinding({ code, severity: "warning", message, tensor, hint });
}

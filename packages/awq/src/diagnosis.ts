import { type Diagnosis, diagnosisLimits, relativeRmse, sampleSuspect } from "@requant/core/format";

/** AWQ's order of eight out features in a word (AutoAWQ, utils/packing_utils.py). */
const AWQ_ORDER: readonly number[] = [0, 2, 4, 6, 1, 3, 5, 7];

/**
 * Codes and zero points of eight neighbouring rows in the wrong order, each under the scale of another row. Scales are in
 * natural order, so each group may differ by a factor.
 */
export const awqOrder: Diagnosis = {
  code: "awq-order",
  meaning: "One side packed or unpacked AWQ's words without undoing their order.",
  hint: "Convert again with a tool that knows AWQ's order.",
  async find(suspect) {
    if (suspect.rowCount % 8 !== 0) return undefined;
    const { a, b, rows } = await sampleSuspect(suspect);
    const before = relativeRmse(a, b);
    const length = suspect.rowLength;
    for (const inverse of [false, true]) {
      for (const size of diagnosisLimits.groupSizes.filter((candidate) => length % candidate === 0)) {
        const explained = new Float32Array(a.length);
        for (let row = 0; row < rows - (rows % 8); row++) {
          const place = row % 8;
          const from = row - place + (inverse ? AWQ_ORDER.indexOf(place) : AWQ_ORDER[place]!);
          for (let group = 0; group < length; group += size) {
            fitted(a, from * length + group, b, row * length + group, size, explained);
          }
        }
        const left = relativeRmse(b, explained);
        if (left < diagnosisLimits.mostLeft && left < before * diagnosisLimits.explained) {
          return "AWQ order: in each eight rows the codes stand in the order 0 2 4 6 1 3 5 7 of AWQ's words; one side was packed or unpacked without undoing it.";
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

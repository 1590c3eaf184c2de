/**
 * Solving with real activations. Oracles: GPTQModel's results on the same activations with the same settings, whose output
 * error is computed here from its codes; and GPTQ in float64, written here in the plainest way.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import {
  columnImportance,
  feedbackCodes,
  type InputStatistics,
  type SolveFactor,
  solveFactor,
  solveView,
} from "@requant/core/solve";
import { dequantizeView, type IntegerView } from "@requant/core/view";
import { describe, expect, it } from "vitest";
import { bfloatToFloat } from "../../src/numeric/bfloat.ts";
import { halfToFloat } from "../../src/numeric/half.ts";

const folder = join(process.env["REQUANT_GOLDEN"] ?? "", "kjv");
const hasGolden = process.env["REQUANT_GOLDEN"] !== undefined && existsSync(folder);

interface Tensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

const READERS: Readonly<Record<string, (bytes: Buffer, index: number) => number>> = {
  F32: (bytes, i) => bytes.readFloatLE(4 * i),
  F16: (bytes, i) => halfToFloat(bytes.readUInt16LE(2 * i)),
  BF16: (bytes, i) => bfloatToFloat(bytes.readUInt16LE(2 * i)),
  I32: (bytes, i) => bytes.readInt32LE(4 * i),
  U8: (bytes, i) => bytes.readUInt8(i),
};

/** One tensor of a safetensors file. */
function readTensor(path: string, name: string): Tensor {
  const file = readFileSync(join(folder, path));
  const start = 8 + Number(file.readBigUInt64LE(0));
  const entry = JSON.parse(file.toString("utf8", 8, start))[name];
  const bytes = file.subarray(start + entry.data_offsets[0], start + entry.data_offsets[1]);
  const count = entry.shape.reduce((product: number, size: number) => product * size, 1);
  const read = READERS[entry.dtype];
  if (read === undefined) throw new Error(`${name} has the type ${entry.dtype}`);
  return { shape: entry.shape, values: Float32Array.from({ length: count }, (_, i) => read(bytes, i)) };
}

/** Mean of x xᵀ over the rows of inputs. */
function statisticsOf({ shape, values }: Tensor): InputStatistics {
  const [tokens = 0, columns = 0] = shape;
  const sums = new Float64Array(columns * columns);
  for (let token = 0; token < tokens; token++) {
    const x = values.subarray(token * columns, (token + 1) * columns);
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < columns; j++) sums[i * columns + j]! += x[i]! * x[j]!;
    }
  }
  const moments = Float32Array.from(sums, (sum) => sum / tokens);
  return { columns, tokens, moments, meanAbs: new Float32Array(columns) };
}

/** ‖X (W − W')‖ ÷ ‖X W‖ */
function relativeError(x: Tensor, weights: Tensor, changed: Float32Array): number {
  const [tokens = 0, columns = 0] = x.shape;
  const rows = weights.values.length / columns;
  let error = 0;
  let signal = 0;
  for (let token = 0; token < tokens; token++) {
    for (let row = 0; row < rows; row++) {
      let own = 0;
      let other = 0;
      for (let i = 0; i < columns; i++) {
        const input = x.values[token * columns + i]!;
        own += input * weights.values[row * columns + i]!;
        other += input * changed[row * columns + i]!;
      }
      error += (own - other) ** 2;
      signal += own ** 2;
    }
  }
  return Math.sqrt(error / signal);
}

/** The inverse by Gauss and Jordan. */
function inverseOf(matrix: Float64Array, n: number): Float64Array {
  const a = matrix.slice();
  const inverse = new Float64Array(n * n);
  for (let i = 0; i < n; i++) inverse[i * (n + 1)] = 1;
  for (let pivot = 0; pivot < n; pivot++) {
    const own = a[pivot * (n + 1)]!;
    for (let j = 0; j < n; j++) {
      a[pivot * n + j]! /= own;
      inverse[pivot * n + j]! /= own;
    }
    for (let i = 0; i < n; i++) {
      const factor = a[i * n + pivot]!;
      if (i === pivot || factor === 0) continue;
      for (let j = 0; j < n; j++) {
        a[i * n + j]! -= factor * a[pivot * n + j]!;
        inverse[i * n + j]! -= factor * inverse[pivot * n + j]!;
      }
    }
  }
  return inverse;
}

/** Codes on the grid of a view, in f64: after each column, it is taken out of the inverse of the moments. */
function codesInDoubles(
  weights: Float32Array,
  view: IntegerView,
  maxCode: number,
  { moments }: InputStatistics,
  { order, damping }: Pick<SolveFactor, "order"> & { readonly damping: number },
): Uint8Array {
  const { rows, columns: n, groupCount, groupOfColumn, scales, zeros } = view;
  const damped = Float64Array.from(moments);
  let mean = 0;
  for (let i = 0; i < n; i++) mean += moments[i * (n + 1)]! / n;
  for (let i = 0; i < n; i++) damped[i * (n + 1)]! += damping * mean;
  const inverse = inverseOf(damped, n);
  const rest = Float64Array.from(weights);
  const codes = new Uint8Array(weights.length);
  for (const column of order) {
    const own = inverse.slice(column * n, (column + 1) * n);
    const diagonal = own[column]!;
    for (let row = 0; row < rows; row++) {
      const group = row * groupCount + groupOfColumn[column]!;
      const value = rest[row * n + column]!;
      const code = Math.max(0, Math.min(maxCode, Math.round(value / scales[group]!) + zeros[group]!));
      codes[row * n + column] = code;
      const error = (value - scales[group]! * (code - zeros[group]!)) / diagonal;
      for (let j = 0; j < n; j++) rest[row * n + j]! -= error * own[j]!;
    }
    for (let i = 0; i < n; i++) {
      const factor = own[i]! / diagonal;
      for (let j = 0; j < n; j++) inverse[i * n + j]! -= factor * own[j]!;
    }
  }
  return codes;
}

interface Case {
  readonly file: string;
  readonly linear: string;
  readonly bits: number;
  readonly group_size: number;
  readonly sym: boolean;
  readonly desc_act: boolean;
  readonly damp: number;
  readonly rel_out_err: number;
}

const cases: readonly Case[] = hasGolden
  ? JSON.parse(readFileSync(join(folder, "calibration/manifest.json"), "utf8")).cases.filter(
      ({ file }: Case) => file.startsWith("gptq_"),
    )
  : [];

describe.skipIf(!hasGolden)("GPTQModel's cases (skipped: REQUANT_GOLDEN is not set)", () => {
  const inputs = (linear: string): Tensor =>
    readTensor("calibration/activations.safetensors", `${linear.includes("down") ? "down" : "qkv"}.x_f16`);

  it("are eight", () => expect(cases).toHaveLength(8));

  it.each(cases)("$file: no larger error of the output, and the codes of float64", (one) => {
    const x = inputs(one.linear);
    const weights = readTensor("hf/model.safetensors", `${one.linear}.weight`);
    const [rows = 0, columns = 0] = weights.shape;
    const statistics = statisticsOf(x);
    const order = one.desc_act ? "act" : "sequential";
    const factor = solveFactor(statistics, { order, damping: one.damp });
    const guide = { factor, importance: columnImportance(statistics) };
    const view = solveView(
      weights.values,
      rows,
      columns,
      {
        bits: one.bits,
        groupSize: one.group_size,
        symmetric: one.sym,
        scale: "F16",
        groups: one.desc_act ? "visited" : "static",
      },
      guide,
    );
    const decoded = new Float32Array(weights.values.length);
    dequantizeView(view, decoded);
    const error = relativeError(x, weights, decoded);

    const path = `calibration/${one.file}`;
    const theirs: IntegerView = {
      ...view,
      groupOfColumn: Int32Array.from(readTensor(path, "g_idx").values),
      codes: Uint8Array.from(readTensor(path, "q_uint8").values),
      scales: readTensor(path, "scale_f32").values,
      zeros: Int16Array.from(readTensor(path, "zero_uint8").values),
    };
    const theirValues = new Float32Array(weights.values.length);
    dequantizeView(theirs, theirValues);
    const theirError = relativeError(x, weights, theirValues);
    expect(theirError).toBeCloseTo(one.rel_out_err, 5);
    expect(error).toBeLessThanOrEqual(theirError);

    const maxCode = 2 ** one.bits - 1;
    const ours = feedbackCodes(weights.values, view, maxCode, factor);
    const doubles = codesInDoubles(weights.values, view, maxCode, statistics, {
      order: factor.order,
      damping: one.damp,
    });
    const equal = ours.reduce((sum, code, i) => sum + (code === doubles[i] ? 1 : 0), 0) / ours.length;
    expect(equal).toBeGreaterThanOrEqual(0.995);
  });
});

/** Calibrated blocks: against ggml's blocks of the same weights, decoded by the codecs that ggml's vectors prove. */
import { readFileSync } from "node:fs";
import { halfToFloat } from "@requant/core";
import { columnImportance, type InputStatistics, outputError, solveFactor } from "@requant/core/solve";
import { isLevelView, type StoredView } from "@requant/core/view";
import {
  blocksToView,
  type CalibrationGuide,
  calibratedBlocks,
  calibratedTypes,
  type GgufViewSource,
  ggmlTypeByName,
  viewSourceByName,
  viewSources,
} from "@requant/gguf";
import { describe, expect, test } from "vitest";
import { gridForms } from "../src/calibrated/grid-form.ts";
import { mulberry32, rowKinds } from "./matrix.ts";

const folder = new URL("./vectors/types/", import.meta.url);

function readBytes(file: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(file, folder)));
}

interface Vectors {
  readonly plain?: { readonly file: string };
  readonly imatrix?: { readonly file: string };
}

const manifest: { readonly rows: number; readonly columns: number; readonly types: Record<string, Vectors> } =
  JSON.parse(readFileSync(new URL("manifest.json", folder), "utf8"));
const { rows, columns } = manifest;
const input = new Float32Array(readBytes("input.f32.bin").buffer);

function sourceOf(name: string): GgufViewSource {
  const source = viewSourceByName(name);
  if (source === undefined) throw new Error(`${name} has no view`);
  return source;
}

/** What ggml's quantizer made of the input; the matrix's, where there is one and it is asked for. */
function ggmlBlocks(name: string, kind: "plain" | "imatrix"): Uint8Array {
  const file = manifest.types[name]?.[kind]?.file ?? manifest.types[name]?.plain?.file;
  if (file === undefined) throw new Error(`${name} has no vector`);
  return readBytes(file);
}

function decoded(name: string, bytes: Uint8Array): Float32Array {
  const { blockSize, blockByteLength } = sourceOf(name);
  const values = new Float32Array((bytes.length / blockByteLength) * blockSize);
  ggmlTypeByName(name).codec?.dequantize(bytes, values);
  return values;
}

/** Squared error of one row. */
function rowError(found: Float32Array, row: number): number {
  let sum = 0;
  for (let i = row * columns; i < (row + 1) * columns; i++) sum += (found[i]! - input[i]!) ** 2;
  return sum;
}

/** Squared error of a row whose values are each one step of f16 off: steps are rounded to f16, those of ggml too. */
function halfRounding(row: number): number {
  let sum = 0;
  for (let i = row * columns; i < (row + 1) * columns; i++) sum += (input[i]! * 2 ** -10) ** 2;
  return sum;
}

/** Inputs of a layer whose neighbours go together, and whose first columns are the largest. */
function correlatedInputs(count: number): InputStatistics {
  const tokens = 2 * count;
  const moments = new Float32Array(count * count);
  const meanAbs = new Float32Array(count);
  const noise = (seed: number, at: number): number => mulberry32(seed, at) / 2 ** 31 - 1;
  for (let token = 0; token < tokens; token++) {
    const x = new Float32Array(count);
    for (let i = 0, wave = 0; i < count; i++) {
      wave = 0.9 * wave + noise(7, token * count + i);
      x[i] = wave * (i < count / 8 ? 4 : 1);
    }
    for (let i = 0; i < count; i++) {
      meanAbs[i] = meanAbs[i]! + Math.abs(x[i]!) / tokens;
      for (let j = 0; j < count; j++) {
        moments[i * count + j] = moments[i * count + j]! + (x[i]! * x[j]!) / tokens;
      }
    }
  }
  return { columns: count, tokens, moments, meanAbs };
}

const statistics = correlatedInputs(columns);
const factor = solveFactor(statistics, { order: "act" });
const guide = { importance: columnImportance(statistics), factor };

function made(name: string, values: Float32Array, known: CalibrationGuide): Uint8Array {
  const { blockSize, blockByteLength } = sourceOf(name);
  const out = new Uint8Array((values.length / blockSize) * blockByteLength);
  calibratedBlocks(name, values, columns, known, out);
  return out;
}

/** Everything of a view but its codes. */
function stepsOf(view: StoredView): unknown {
  return isLevelView(view) ? [view.factors, view.offset] : [view.scales, view.zeros];
}

describe("codes alone are written into blocks that ggml made", () => {
  test.each(viewSources.map((source) => ({ name: source.name, source })))("$name", ({ name, source }) => {
    const { view, blockSize, blockByteLength } = source;
    const golden = ggmlBlocks(name, "plain");
    const before = blocksToView(source, golden, rows, columns);
    const codeCount = name.startsWith("TQ")
      ? 3
      : "zero" in view.levels
        ? view.maxCode + 1
        : view.levels.length;
    const others = Uint8Array.from(before.codes, (_, i) => mulberry32(3, i) % codeCount);
    const bytes = golden.slice();
    const pack = (codes: Uint8Array): void => {
      for (let block = 0; block < golden.length / blockByteLength; block++) {
        view.packCodes(bytes, block * blockByteLength, codes, block * blockSize);
      }
    };
    pack(others);
    const after = blocksToView(source, bytes, rows, columns);
    expect(after.codes).toEqual(others);
    expect(stepsOf(after)).toEqual(stepsOf(before));
    pack(before.codes);
    expect(bytes).toEqual(golden);
  });
});

describe("steps are written where the view reads them", () => {
  test.each(gridForms.map((form) => ({ name: form.name, form })))("$name", ({ name, form }) => {
    const { count, size, scaleRange, maxMin, levels } = form;
    const source = sourceOf(name);
    const golden = ggmlBlocks(name, "plain").subarray(0, source.blockByteLength);
    const bytes = golden.slice();
    const [min, max] = scaleRange;
    // f16 numbers of few bits: all products are exact
    const [d, dmin] = [halfToFloat(0x2c00), maxMin === 0 ? 0 : halfToFloat(0x2e00)];
    const scales = Int32Array.from({ length: count }, (_, j) => min + (mulberry32(5, j) % (max - min + 1)));
    const mins = Int32Array.from({ length: count }, (_, j) =>
      maxMin === "any" ? 1 : maxMin === 0 ? 0 : mulberry32(6, j) % (maxMin + 1),
    );
    form.write(bytes, 0, { d, dmin, scales, mins });
    const columnCount = source.blockSize;
    const { codes } = blocksToView(source, bytes, 1, columnCount);
    expect(codes).toEqual(blocksToView(source, golden, 1, columnCount).codes);
    const expected = Float32Array.from(codes, (code, i) => {
      const j = Math.floor(i / size);
      return d * scales[j]! * levels.values[code]! - dmin * mins[j]! + 0;
    });
    expect(decoded(name, bytes).map((value) => value + 0)).toEqual(expected);
  });
});

describe("blocks without statistics are nearer to the weights than ggml's", () => {
  test.each(calibratedTypes)("%s", (name) => {
    const own = decoded(name, made(name, input, {}));
    const theirs = decoded(name, ggmlBlocks(name, "plain"));
    for (let row = 0; row < rows; row++) {
      const kind = rowKinds[row % rowKinds.length]?.[0];
      // one percent: the search tries many steps, not all
      const allowed = 1.01 * rowError(theirs, row) + halfRounding(row);
      expect(rowError(own, row), kind).toBeLessThanOrEqual(allowed);
    }
  });
});

describe("blocks from statistics change the layer's output less than ggml's by importance", () => {
  // rows of ordinary weights
  const count = 2;
  const values = input.slice(0, count * columns);

  test.each(calibratedTypes)("%s", (name) => {
    const { codec } = ggmlTypeByName(name);
    const blocks = made(name, values, guide);
    const theirs = new Uint8Array(blocks.length);
    codec?.quantize?.(values, columns, theirs, guide.importance);
    const errorOf = (bytes: Uint8Array): number => outputError(values, decoded(name, bytes), statistics);
    expect(errorOf(blocks)).toBeLessThan(0.75 * errorOf(theirs));
  });

  test.each(calibratedTypes)("%s: a band of rows gives the same blocks", (name) => {
    const whole = made(name, values, guide);
    const second = made(name, values.subarray(columns), guide);
    expect(second).toEqual(whole.subarray(whole.length / count));
  });
});

test("zeros stay zeros, with and without statistics", () => {
  const zeros = new Float32Array(columns);
  for (const name of calibratedTypes) {
    for (const known of [{}, { factor }]) {
      expect(decoded(name, made(name, zeros, known)).map(Math.abs), name).toEqual(zeros);
    }
  }
});

describe("refusals", () => {
  const values = new Float32Array(512);

  test("a type without calibrated codes names those that have them", () => {
    expect(() => calibratedBlocks("IQ2_XXS", values, 256, {}, new Uint8Array(132))).toThrow(
      /IQ2_XXS cannot be written with calibrated codes; .*Q4_K/,
    );
  });

  test.each([
    ["rows that are not whole blocks", 128, 144, 128],
    ["an output of another length", 256, 144, 256],
    ["an importance of another length", 256, 288, 255],
  ])("%s", (_, rowLength, byteLength, importanceLength) => {
    const importance = new Float32Array(importanceLength).fill(1);
    expect(() =>
      calibratedBlocks("Q4_K", values, rowLength, { importance }, new Uint8Array(byteLength)),
    ).toThrow(expect.objectContaining({ name: "UsageError" }));
  });
});

/** Floats to NF4. Oracle: the bytes of bitsandbytes' own quantize_4bit, in vectors/w*.safetensors. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packNf4Rows, packNf4Whole, parseQuantState } from "@requant/bitsandbytes";
import { CodecError } from "@requant/core";
import { allocateParts } from "@requant/core/format";
import { describe, expect, test } from "vitest";
import { readTensors, vectorFolder } from "../../../fixtures/linear-cases.ts";
import { type FourBitLayout, partsOf } from "../src/layout.ts";
import { quantStateLength } from "../src/quant-state.ts";
import { blockRows } from "../src/quantize.ts";

const folder = vectorFolder(import.meta.url);
const { writes } = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as {
  writes: { file: string; rows: number; columns: number; block_size: number; double: boolean }[];
};

function layoutOf(rows: number, columns: number, blockSize: number, double: boolean): FourBitLayout {
  const state = {
    kind: "nf4",
    rows,
    columns,
    blockSize,
    nestedBlockSize: double ? 256 : 0,
    dtype: "BF16",
  } as const;
  return { ...state, storage: "U8", stateLength: quantStateLength(state) };
}

const floats = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.slice().buffer);

describe.each(writes.filter(({ double }) => !double))("$file", ({ file, rows, columns, block_size }) => {
  const tensors = readTensors(join(folder, file));
  const values = floats(tensors.get("source")?.bytes ?? new Uint8Array(0));
  const layout = layoutOf(rows, columns, block_size, false);

  test("has the bytes of bitsandbytes", () => {
    const bytes = allocateParts(partsOf(layout));
    packNf4Whole(layout, values, bytes);
    for (const [suffix, part] of Object.entries(bytes)) {
      expect(part, suffix).toEqual(tensors.get(suffix)?.bytes);
    }
  });

  test("has the same bytes when it is packed in bands of rows", () => {
    const bytes = allocateParts(partsOf(layout));
    const step = blockRows(layout);
    for (let row = 0; row < rows; row += step) {
      const end = Math.min(rows, row + step);
      packNf4Rows(layout, values.subarray(row * columns, end * columns), row, bytes);
    }
    for (const [suffix, part] of Object.entries(bytes)) {
      expect(part, suffix).toEqual(tensors.get(suffix)?.bytes);
    }
  });
});

test("scales that are quantized too: codes as bitsandbytes, scales with a mean that it adds up in another order", () => {
  const [rows, columns] = [136, 128];
  const tensors = readTensors(join(folder, "w64_double.safetensors"));
  // the numbers that the script beside the vectors made: row 1 is zero
  let state = 4;
  const values = Float32Array.from({ length: rows * columns }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  values.fill(0, columns, 2 * columns);
  const layout = layoutOf(rows, columns, 64, true);
  const bytes = allocateParts(partsOf(layout));
  packNf4Whole(layout, values, bytes);
  const same = ["weight", "weight.quant_map", "weight.nested_quant_map"];
  for (const suffix of same) expect(bytes[suffix], suffix).toEqual(tensors.get(suffix)?.bytes);
  const key = "weight.quant_state.bitsandbytes__nf4";
  const [own, expected] = [bytes[key], tensors.get(key)?.bytes].map((part) =>
    parseQuantState(part ?? new Uint8Array(0)),
  );
  expect({ ...own, nestedOffset: 0 }).toEqual({ ...expected, nestedOffset: 0 });
  // one step of f32 between 0.5 and 1
  expect(Math.abs((own?.nestedOffset ?? 0) - (expected?.nestedOffset ?? 1))).toBeLessThanOrEqual(2 ** -24);
  const codes = bytes["weight.absmax"] ?? new Uint8Array(0);
  const others = tensors.get("weight.absmax")?.bytes ?? new Uint8Array(0);
  const away = codes.map((code, i) => Math.abs(code - (others[i] ?? 0)));
  expect(codes).toHaveLength(others.length);
  expect(away.filter((distance) => distance > 0).length).toBeLessThanOrEqual(2);
  expect(away.filter((distance) => distance > 1)).toHaveLength(0);
});

test.each([Number.NaN, Infinity, -Infinity])("a weight that is %d is refused with its place", (bad) => {
  const layout = layoutOf(4, 64, 64, false);
  const values = new Float32Array(256);
  values[130] = bad;
  let error: unknown;
  try {
    packNf4Whole(layout, values, allocateParts(partsOf(layout)));
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(CodecError);
  expect(error).toMatchObject({ code: "CONVERSION", index: 130 });
});

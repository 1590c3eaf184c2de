import { compressedTensorsCodec } from "@requant/compressed-tensors";
import { F16 } from "@requant/core";
import { allocateParts } from "@requant/core/format";
import { describe, expect, test } from "vitest";
import { goldenLinear, linearCases, sha256, vectorFolder } from "../../../fixtures/linear-cases.ts";

const codec = compressedTensorsCodec;

function suite(folder: string): void {
  const cases = linearCases(folder, "manifest.json", /^compressed-tensors/);

  test.each(cases.map((entry) => ({ name: entry.file, entry })))("$name", ({ entry }) => {
    const { facts, tensors } = entry;
    const stored = [...tensors].filter(([name]) => codec.suffixes.includes(name));
    const parts = stored.map(([suffix, { encoding, shape }]) => ({ suffix, encoding, shape }));
    const bytes = Object.fromEntries(stored.map(([suffix, tensor]) => [suffix, tensor.bytes]));
    const [rows, columns] = [Number(facts["out_features"]), Number(facts["in_features"])];
    const [bits, groupSize] = [Number(facts["bits"]), Number(facts["group_size"])];
    const layout = codec.readLayout(parts, { bits, groupSize });
    expect(layout).toMatchObject({ rows, columns, bits, groupSize, symmetric: facts["sym"] });

    const weight = codec.open(layout, bytes);
    const values = new Float32Array(rows * columns);
    weight.dequantize(0, rows, values);
    const halves = new Uint8Array(2 * values.length);
    F16.quantize?.(values, columns, halves);
    expect(sha256(halves)).toBe(facts["ref_f16_sha256"]);
    expect(codec.measure(layout, bytes).symmetric).toBe(facts["sym"]);

    const band = new Float32Array(5 * columns);
    weight.dequantize(31, 36, band);
    expect(band).toEqual(values.subarray(31 * columns, 36 * columns));

    const written = allocateParts(codec.parts(layout));
    for (let row = 0; row < rows; row += 32)
      codec.fromView(layout, weight.toView(row, row + 32), row, written);
    expect(written).toEqual(bytes);
  });
}

describe("layers packed by compressed-tensors, in this package", () => suite(vectorFolder(import.meta.url)));

const golden = goldenLinear();
describe.skipIf(golden === undefined)("the whole golden set (skipped: REQUANT_GOLDEN is not set)", () => {
  if (golden !== undefined) suite(golden);
});

import { F16 } from "@requant/core";
import { exl2Codec, exl2Groups } from "@requant/exl2";
import { describe, expect, test } from "vitest";
import { goldenLinear, linearCases, sha256, vectorFolder } from "../../../fixtures/linear-cases.ts";

function suite(folder: string): void {
  const cases = linearCases(folder, "manifest.json", /^exl2$/);

  test.each(cases.map((entry) => ({ name: entry.file, entry })))("$name", ({ entry }) => {
    const { facts, tensors } = entry;
    const stored = [...tensors].filter(([name]) => exl2Codec.suffixes.includes(name));
    const parts = stored.map(([suffix, { encoding, shape }]) => ({ suffix, encoding, shape }));
    const bytes = Object.fromEntries(stored.map(([suffix, tensor]) => [suffix, tensor.bytes]));
    const [rows, columns] = [Number(facts["out_features"]), Number(facts["in_features"])];
    const layout = exl2Codec.readLayout(parts, { rows });
    expect(layout).toMatchObject({ rows, columns, storedRows: facts["stored_columns"] });
    const groups = exl2Groups(layout, bytes);
    expect(groups.flatMap(({ bits, wordStart }) => [bits, wordStart])).toEqual(facts["q_groups"]);

    const weight = exl2Codec.open(layout, bytes);
    const values = new Float32Array(rows * columns);
    weight.dequantize(0, rows, values);
    const halves = new Uint8Array(2 * values.length);
    F16.quantize?.(values, columns, halves);
    expect(sha256(halves)).toBe(facts["ref_f16_sha256"]);
    // the values are f16 values already: rounding them again changed nothing
    const again = new Float32Array(values.length);
    F16.dequantize(halves, again);
    expect(again).toEqual(values);

    const band = new Float32Array(5 * columns);
    weight.dequantize(31, 36, band);
    expect(band).toEqual(values.subarray(31 * columns, 36 * columns));
  });
}

describe("layers packed by exllamav2, in this package", () => suite(vectorFolder(import.meta.url)));

const golden = goldenLinear();
describe.skipIf(golden === undefined)("the whole golden set (skipped: REQUANT_GOLDEN is not set)", () => {
  if (golden !== undefined) suite(golden);
});

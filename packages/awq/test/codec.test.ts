import { type AwqVersion, awqCodec } from "@requant/awq";
import { F16 } from "@requant/core";
import { allocateParts } from "@requant/core/format";
import { dequantizeView } from "@requant/core/view";
import { describe, expect, test } from "vitest";
import { goldenLinear, linearCases, sha256, vectorFolder } from "../../../fixtures/linear-cases.ts";

function suite(folder: string): void {
  const cases = linearCases(folder, "manifest.json", /^awq$/);

  test.each(cases.map((entry) => ({ name: entry.file, entry })))("$name", ({ entry }) => {
    const { facts, tensors } = entry;
    const stored = [...tensors].filter(([name]) => awqCodec.suffixes.includes(name));
    const parts = stored.map(([suffix, { encoding, shape }]) => ({ suffix, encoding, shape }));
    const bytes = Object.fromEntries(stored.map(([suffix, tensor]) => [suffix, tensor.bytes]));
    const version = facts["version"] as AwqVersion;
    const groupSize = Number(facts["group_size"]);
    const [rows, columns] = [Number(facts["out_features"]), Number(facts["in_features"])];
    const layout = awqCodec.readLayout(parts, { version, groupSize });
    expect(layout).toMatchObject({ version, rows, columns, groupSize });

    const weight = awqCodec.open(layout, bytes);
    const values = new Float32Array(rows * columns);
    weight.dequantize(0, rows, values);
    const halves = new Uint8Array(2 * values.length);
    F16.quantize?.(values, columns, halves);
    expect(sha256(halves)).toBe(facts["ref_f16_sha256"]);

    const view = weight.toView(0, rows);
    const exact = new Float32Array(rows * columns);
    dequantizeView(view, exact);
    if (facts["ref_f32_exact_sha256"] !== undefined)
      expect(sha256(exact)).toBe(facts["ref_f32_exact_sha256"]);
    const codes = tensors.get("ref.q_uint8");
    if (codes !== undefined) expect(view.codes).toEqual(codes.bytes);

    const measured = awqCodec.measure(layout, bytes);
    expect(measured.symmetric).toBe(version === "marlin");
    const rounded = version === "gemv_fast" || version === "llm-awq";
    expect(measured.storedOffsets).toBe(rounded ? "rounded" : "integer");

    const band = new Float32Array(5 * columns);
    weight.dequantize(31, 36, band);
    expect(band).toEqual(values.subarray(31 * columns, 36 * columns));

    const written = allocateParts(awqCodec.parts(layout));
    const step = awqCodec.rowMultiple(layout);
    for (let row = 0; row < rows; row += step) {
      awqCodec.fromView(layout, weight.toView(row, row + step), row, written);
    }
    expect(written).toEqual(bytes);
  });
}

describe("layers packed by AutoAWQ and llm-awq, in this package", () => suite(vectorFolder(import.meta.url)));

const golden = goldenLinear();
describe.skipIf(golden === undefined)("the whole golden set (skipped: REQUANT_GOLDEN is not set)", () => {
  if (golden !== undefined) suite(golden);
});

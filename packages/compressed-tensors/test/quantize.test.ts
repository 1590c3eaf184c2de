/** Floats become the bytes that compressed-tensors itself makes of them (test/vectors/quantized.safetensors). */
import { join } from "node:path";
import { compressedTensorsFormat } from "@requant/compressed-tensors";
import { BF16, F32 } from "@requant/core";
import { allocateParts, type PartBytes, type WeightEncoder } from "@requant/core/format";
import { describe, expect, it } from "vitest";
import { readTensors, vectorFolder } from "../../../fixtures/linear-cases.ts";

const tensors = readTensors(join(vectorFolder(import.meta.url), "quantized.safetensors"));
const { target } = compressedTensorsFormat;
const SCHEMES = ["w8a8", "fp8-channel", "fp8-block", "nvfp4", "mxfp4"];
const CODECS = { BF16, F32 } as const;

function packed(encoder: WeightEncoder, values: Float32Array, rows: number, columns: number): PartBytes {
  const { floats } = encoder;
  if (floats.kind === "whole") return floats.pack(values);
  const bytes = allocateParts(encoder.parts);
  for (let row = 0; row < rows; row += encoder.rowMultiple) {
    const end = Math.min(rows, row + encoder.rowMultiple);
    const band = values.subarray(row * columns, end * columns);
    if (floats.kind === "rows") floats.pack(band, row, bytes);
    else encoder.fromView(floats.quantize(band, end - row), row, bytes);
  }
  return bytes;
}

describe.each(["BF16", "F32"] as const)("from %s", (floats) => {
  it.each(SCHEMES)("%s", (scheme) => {
    const source = tensors.get(`${scheme}.${floats}.source`);
    const [rows = 0, columns = 0] = source?.shape ?? [];
    const values = new Float32Array(rows * columns);
    CODECS[floats].dequantize(source?.bytes ?? new Uint8Array(0), values);
    const request = { module: "m", rows, columns, views: [], floats };
    const offers = target?.offers(request, { scheme }, undefined) ?? [];
    const [offer] = "reason" in offers ? [] : offers;
    expect(offer?.label).toMatch(/^CT-/);
    const encoder = target?.encoder(offer?.layout ?? {});
    if (encoder === undefined) throw new Error("there is no target");
    const found = packed(encoder, values, rows, columns);
    expect(encoder.parts.length).toBeGreaterThan(1);
    for (const { suffix, encoding, shape } of encoder.parts) {
      const expected = tensors.get(`${scheme}.${floats}.${suffix}`);
      expect([encoding, shape], suffix).toEqual([expected?.encoding, expected?.shape]);
      expect(Buffer.compare(found[suffix] ?? new Uint8Array(0), expected?.bytes ?? new Uint8Array(1))).toBe(
        0,
      );
    }
  });
});

it.each(SCHEMES)("%s refuses a weight that is not finite, and names it", (scheme) => {
  const [rows, columns] = [2, 32];
  const request = { module: "m", rows, columns, views: [], floats: "F32" as const };
  const offers = target?.offers(request, { scheme }, undefined) ?? [];
  const encoder = target?.encoder(("reason" in offers ? undefined : offers[0])?.layout ?? {});
  const values = new Float32Array(rows * columns).fill(0.5);
  values[37] = Number.NaN;
  expect(() => encoder && packed({ ...encoder, rowMultiple: rows }, values, rows, columns)).toThrow(
    expect.objectContaining({
      code: "CONVERSION",
      index: 37,
      message: "Row 1 has a weight that is NaN; only finite weights can be quantized.",
    }),
  );
});

it.each([
  ["nvfp4", 40, /40 columns are not whole groups of 16/],
  ["mxfp4", 48, /48 columns are not whole groups of 32/],
])("%s of %i columns is not offered", (scheme, columns, reason) => {
  const offers = target?.offers({ module: "m", rows: 2, columns, views: [] }, { scheme }, undefined);
  expect(offers).toEqual({ reason: expect.stringMatching(reason) });
});

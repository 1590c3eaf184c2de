/** How the scale of BitNet is used. Oracle: quotients and products of torch, in vectors/manifest.json. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bitnetCodec, bitnetFormat } from "@requant/bitnet";
import { expect, test } from "vitest";
import { sha256, vectorFolder } from "../../../fixtures/linear-cases.ts";
import { type ToolCase, toolVector } from "../../../fixtures/tool-vectors.ts";

const folder = vectorFolder(import.meta.url);
const { cases } = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as {
  cases: (ToolCase & { readonly factor_sha256: string })[];
};

test.each(cases)("autobitlinear multiplies by the scale: $file", (entry) => {
  const { parts, bytes } = toolVector(folder, entry);
  const layout = bitnetCodec.readLayout(parts, { scaleIs: "factor" });
  const values = new Float32Array(entry.rows * entry.columns);
  bitnetCodec.open(layout, bytes).dequantize(0, entry.rows, values);
  expect(sha256(values)).toBe(entry.factor_sha256);
});

test("the class of layers is read from the configuration", async () => {
  const [entry] = cases;
  const { parts, bytes } = entry === undefined ? { parts: [], bytes: {} } : toolVector(folder, entry);
  const stored = parts.map((part) => ({ ...part, name: part.suffix, byteLength: 0 }));
  const hints = { config: undefined, shapeOf: () => undefined, read: async () => new Uint8Array(0) };
  const scaleOf = async (linear_class: string): Promise<number | undefined> => {
    const reader = bitnetFormat.reader({ quant_method: "bitnet", linear_class }, hints, {});
    const weight = (await reader.openable("a", stored, {})).open(bytes);
    return weight.toView?.(0, 1).scales[0];
  };
  expect(await scaleOf("autobitlinear")).toBe(27.5);
  expect(await scaleOf("bitlinear")).toBe(Math.fround(1 / 27.5));
});

test("a fourth code, a scale of zero and an infinite scale are refused", () => {
  const parts = [
    { suffix: "weight", encoding: "U8", shape: [1, 2] },
    { suffix: "weight_scale", encoding: "F32", shape: [1] },
  ];
  const layout = bitnetCodec.readLayout(parts, { scaleIs: "divisor" });
  const bytes = (scale: number, code: number): Record<string, Uint8Array> => ({
    weight: Uint8Array.of(0, code << 2),
    weight_scale: new Uint8Array(Float32Array.of(scale).buffer),
  });
  expect(() => bitnetCodec.open(layout, bytes(2, 3)).dequantize(0, 4, new Float32Array(8))).toThrow(
    "The code in row 1, column 1 is 3",
  );
  expect(() => bitnetCodec.open(layout, bytes(0, 1))).toThrow("The part weight_scale is 0");
  expect(() => bitnetCodec.open(layout, bytes(Infinity, 1))).toThrow("The part weight_scale is Infinity");
});

test("a configuration with a norm before each layer has a transform of the runtime", () => {
  const [method] = bitnetFormat.methods;
  expect(method?.runtimeTransform?.({ use_rms_norm: true })).toBe("use_rms_norm");
  expect(method?.runtimeTransform?.({ use_rms_norm: false })).toBeUndefined();
});

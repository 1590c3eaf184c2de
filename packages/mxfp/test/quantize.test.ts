/** Floats to NVFP4. Oracle: nvidia-modelopt 0.47.0, which has rounded the same floats (test/vectors). */
import { join } from "node:path";
import { BF16, ConversionError } from "@requant/core";
import { allocateParts, readFloats } from "@requant/core/format";
import { nvfp4Format, quantizeNvfp4 } from "@requant/mxfp";
import { describe, expect, it } from "vitest";
import { readTensors, type StoredTensor } from "../../../fixtures/linear-cases.ts";
import { folder } from "./vectors.ts";

function floatsOf(tensor: StoredTensor | undefined): Float32Array {
  if (tensor === undefined) throw new Error("The vector lacks a tensor.");
  if (tensor.encoding === "F32") return readFloats(tensor.bytes, "F32");
  const values = new Float32Array(tensor.bytes.length / 2);
  BF16.dequantize(tensor.bytes, values);
  return values;
}

const target = nvfp4Format.target;
if (target === undefined) throw new Error("NVFP4 is no target.");

describe("weights as ModelOpt rounds them", () => {
  it.each(["modelopt_written_bf16", "modelopt_written_unit"])("%s", (name) => {
    const tensors = readTensors(join(folder, `${name}.safetensors`));
    const source = tensors.get("source");
    const values = floatsOf(source);
    const [rows = 0, columns = 0] = source?.shape ?? [];
    const sampled = target.sampling?.costs(values, rows, columns);
    const request = { module: "model.layers.0.mlp.down_proj", rows, columns, views: [], costs: sampled };
    const arranged = target.arrange?.([request], { layout: "modelopt" }, undefined);
    const offers = target.offers(request, { layout: "modelopt" }, arranged?.byModule?.get(request.module));
    if (!Array.isArray(offers)) throw new Error("The target offers no layout.");
    const encoder = target.encoder(offers[0]?.layout);
    const bytes = allocateParts(encoder.parts);
    const { floats } = encoder;
    if (floats.kind !== "rows") throw new Error("Floats are packed row by row.");
    for (let row = 0; row < rows; row += 3) {
      floats.pack(values.subarray(row * columns, Math.min(rows, row + 3) * columns), row, bytes);
    }
    for (const suffix of ["weight_scale_2", "weight_scale", "weight"]) {
      expect(Buffer.from(bytes[suffix] ?? []).toString("hex"), suffix).toBe(
        Buffer.from(tensors.get(suffix)?.bytes ?? []).toString("hex"),
      );
    }
    const decoded = new Float32Array(values.length);
    encoder.open(bytes).dequantize(0, rows, decoded);
    // ModelOpt has +0 for the code of −0
    expect(decoded.map((value) => value + 0)).toEqual(
      floatsOf(tensors.get("dequantized")).map((value) => value + 0),
    );
  });

  it("gives layers that runtimes join one scale", () => {
    const requests = ["self_attn.q_proj", "self_attn.k_proj", "mlp.up_proj", "mlp.down_proj"].map(
      (name, index) => ({
        module: `model.layers.0.${name}`,
        rows: 16,
        columns: 16,
        views: [],
        costs: [index + 1, 1],
      }),
    );
    const { byModule } = target.arrange?.(requests, {}, undefined) ?? {};
    expect([...(byModule?.values() ?? [])].map(({ largest }) => largest)).toEqual([2, 2, 3, 4]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("refuses %s", (value) => {
    const values = new Float32Array(16);
    values[3] = value;
    const work = (): void => quantizeNvfp4(values, 1, new Uint8Array(1), new Uint8Array(8));
    expect(work).toThrow(ConversionError);
    expect(work).toThrow(/NVFP4 holds finite weights only/);
  });
});

/**
 * New codes for floats. Oracle: what `mx.quantize` of mlx 0.32.4 makes of the same weights on the processor
 * (vectors/quantized.safetensors, made by vectors/make.py), bit for bit.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BF16, F16 } from "@requant/core";
import { allocateParts, type ScaleEncoding } from "@requant/core/format";
import { mlxFormat, quantizeMlx } from "@requant/mlx";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { readTensors, type StoredTensor, vectorFolder } from "../../../fixtures/linear-cases.ts";

const folder = vectorFolder(import.meta.url);
const scaleType = z.enum(["F32", "F16", "BF16"]);
const { rows, columns, cases } = z
  .object({
    rows: z.number(),
    columns: z.number(),
    cases: z.array(
      z.object({
        name: z.string(),
        mode: z.enum(["affine", "mxfp4", "mxfp8", "nvfp4"]),
        bits: z.number(),
        groupSize: z.number(),
        source: scaleType,
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(join(folder, "quantized.json"), "utf8")));
const tensors = readTensors(join(folder, "quantized.safetensors"));

function stored(name: string): StoredTensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`The vector ${name} is missing.`);
  return tensor;
}

function floatsOf({ bytes, encoding }: StoredTensor): Float32Array {
  if (encoding === "F32") return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const values = new Float32Array(bytes.length / 2);
  (encoding === "F16" ? F16 : BF16).dequantize(bytes, values);
  return values;
}

/** The words of the target for a case. */
function wordsOf({ mode, bits, groupSize }: (typeof cases)[number]): Record<string, string | number> {
  return mode === "affine" ? { codes: `${bits}bit`, groupSize } : { codes: mode };
}

describe.each(cases)("$name", (entry) => {
  it("has the bytes of mx.quantize", () => {
    const { target } = mlxFormat;
    const request = { module: "m", rows, columns, views: [], floats: entry.source };
    const settings = target?.settle?.(wordsOf(entry)) ?? {};
    const offers = target?.offers(request, settings, undefined) ?? [];
    const [offer] = "reason" in offers ? [] : offers;
    const encoder = offer && target?.encoder(offer.layout);
    if (encoder === undefined) throw new Error("MLX packs floats.");
    const bytes = allocateParts(encoder.parts);
    const pack = (own: Float32Array, row: number): void => {
      const { floats } = encoder;
      if (floats.kind === "rows") floats.pack(own, row, bytes);
      else if (floats.kind === "view")
        encoder.fromView(floats.quantize(own, own.length / columns), row, bytes);
    };
    const values = floatsOf(stored(`source.${entry.source}`));
    // in two bands
    pack(values.subarray(0, 7 * columns), 0);
    pack(values.subarray(7 * columns), 7);
    const expected = encoder.parts.map(({ suffix }) => [suffix, stored(`${entry.name}.${suffix}`)] as const);
    for (const { suffix, encoding, shape } of encoder.parts) {
      const vector = stored(`${entry.name}.${suffix}`);
      expect({ encoding, shape }, suffix).toEqual({ encoding: vector.encoding, shape: vector.shape });
      const differing = vector.bytes.findIndex((byte, i) => byte !== bytes[suffix]?.[i]);
      expect({ suffix, differing }).toEqual({ suffix, differing: -1 });
    }
    expect(expected.length).toBe(entry.mode === "affine" ? 3 : 2);
  });
});

describe("weights that MLX cannot store", () => {
  const layout = { mode: "affine", bits: 4, groupSize: 32, columns: 32 } as const;
  const floats: ScaleEncoding = "F32";

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("refuses %d by its place", (bad) => {
    const values = new Float32Array(64);
    values[40] = bad;
    expect(() => quantizeMlx(layout, values, floats)).toThrow(expect.objectContaining({ index: 40 }));
  });

  it("refuses a group that reaches from one end of f32 to the other", () => {
    const values = new Float32Array(32);
    values.set([3e38, -3e38]);
    expect(() => quantizeMlx(layout, values, floats)).toThrow(/too wide for a scale/);
  });
});

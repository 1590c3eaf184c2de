/** Layers that compressed-tensors itself quantized, packed and dequantized: the golden set `neighbours`, and a part of it here. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compressedTensorsFormat } from "@requant/compressed-tensors";
import type { StoredPart } from "@requant/core/format";
import type { FormatVector } from "@requant/core/testing";
import { readTensors } from "../../../fixtures/linear-cases.ts";

interface Reference {
  readonly sha256_f32: string;
}

interface NeighbourCase {
  readonly id: string;
  readonly format: string;
  readonly file: string;
  readonly logical_shape: readonly [rows: number, columns: number];
  readonly quantization_config: Readonly<Record<string, unknown>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly ref: Reference;
  /** Products rounded once to f32, where the library computes in a narrower type. */
  readonly ref_f32?: Reference;
}

export interface NeighbourVectors {
  readonly whole: readonly FormatVector[];
  /** Those of which only the values are compared. */
  readonly values: readonly FormatVector[];
}

/** Scales that the view of a weight does not have: what they are divided by stands beside them. */
const DIVIDED = /^nvfp4$/;
const BY_HAND = /allcodes|tiny/;

export function neighbourVectors(folder: string): NeighbourVectors {
  const { cases } = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as {
    cases: readonly NeighbourCase[];
  };
  const own = cases.filter(({ format }) => format.startsWith("compressed-tensors/"));
  return {
    whole: own.filter(({ id }) => !BY_HAND.test(id)).map((one) => vectorOf(folder, one)),
    values: own.filter(({ id }) => BY_HAND.test(id)).map((one) => vectorOf(folder, one)),
  };
}

function vectorOf(folder: string, one: NeighbourCase): FormatVector {
  const tensors = [...readTensors(join(folder, one.file))];
  const [rows, columns] = one.logical_shape;
  const version = one.versions["compressed-tensors"];
  return {
    name: one.id,
    // what the tool wrote, and its version, which the layers' manifest has in another place
    config: { version, ...one.quantization_config },
    parts: tensors.map(([suffix, { encoding, shape }]) => ({ suffix, encoding, shape })),
    bytes: Object.fromEntries(tensors.map(([suffix, { bytes }]) => [suffix, bytes])),
    expected: { rows, columns, valuesSha256: (one.ref_f32 ?? one.ref).sha256_f32 },
    ...(DIVIDED.test(one.id)
      ? { whyNotPacked: "the global scale is not a part of the view, whose scales are quotients" }
      : {}),
  };
}

/** SHA-256 of all values, read through the format; every NaN is the same one. */
export async function valuesOf({ parts, bytes, config }: FormatVector): Promise<string> {
  const module = "model.layers.0.mlp.up_proj";
  const hints = { config: undefined, shapeOf: () => undefined, read: async () => new Uint8Array(0) };
  const stored = parts.map((part): StoredPart => {
    const byteLength = bytes[part.suffix]?.byteLength ?? 0;
    return { ...part, name: `${module}.${part.suffix}`, byteLength };
  });
  const weight = (await compressedTensorsFormat.reader(config, hints, {}).openable(module, stored, {})).open(
    bytes,
  );
  const values = new Float32Array(weight.rows * weight.columns);
  weight.dequantize(0, weight.rows, values);
  const bits = new Uint32Array(values.buffer);
  values.forEach((value, i) => {
    if (Number.isNaN(value)) bits[i] = 0x7fc00000;
  });
  return createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex");
}

/**
 * The conformance suite on weights that mlx packed. Oracle: SHA-256 of scale × code + bias (or level × scale) in f32, by an
 * independent decoder that gives mlx's own values where it rounds as mlx does (vectors/manifest.json).
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describeFormat, type FormatVector } from "@requant/core/testing";
import { mlxCodec, mlxFormat } from "@requant/mlx";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { countSteps } from "../../../fixtures/count-steps.ts";
import { ownNames, readTensors, sha256, vectorFolder, vectorOf } from "../../../fixtures/linear-cases.ts";

const schema = z.object({
  cases: z.array(z.looseObject({ file: z.string(), quantization: z.record(z.string(), z.unknown()) })),
});
const folder = vectorFolder(import.meta.url);
const { cases } = schema.parse(JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")));

/** Why a vector is read by a test of its own: what it stores says less, or more, than a view does. */
const SPECIAL = /_allscales|_allcodes|_global/;

const all = cases.map((facts): FormatVector => {
  const tensors = readTensors(join(folder, facts.file));
  const { bits, group_size: groupSize, mode } = facts.quantization;
  return vectorOf(
    { file: facts.file, facts, tensors },
    {
      parts: ownNames(mlxCodec.suffixes),
      config: facts.quantization,
      expected: { layout: { bits, groupSize, mode } },
    },
  );
});

const vectors = all.filter(({ name }) => !SPECIAL.test(name));
describe("weights packed by mlx", () => describeFormat(mlxFormat, vectors, { describe, it, countSteps }));

/** Scales that are NaN have no view, and a global scale may be missing in a file that is whole. */
describe("weights with any scale byte, any code or a global scale", () => {
  it.each(all.filter(({ name }) => SPECIAL.test(name)))("$name", async (vector) => {
    const { parts, bytes, config, expected } = vector;
    const reader = mlxFormat.reader(config, { config: undefined, shapeOf: () => undefined, read }, {});
    const stored = parts.map((part) => ({
      ...part,
      name: `m.${part.suffix}`,
      byteLength: bytes[part.suffix]?.byteLength ?? 0,
    }));
    const found = await reader.openable("m", stored, {});
    const { facts, noView } = found.examine(bytes);
    expect(facts === undefined).toBe(!/_global/.test(vector.name));
    expect(noView === undefined).toBe(facts !== undefined);
    const values = new Float32Array(expected.rows * expected.columns);
    found.open(bytes).dequantize(0, expected.rows, values);
    // the manifest's rule: every NaN as 0x7fc00000
    expect(sha256(values.map((value) => (Number.isNaN(value) ? Number.NaN : value)))).toBe(
      expected.valuesSha256,
    );
  });
});

async function read(): Promise<Uint8Array> {
  return new Uint8Array(0);
}

/**
 * Every ggml type against blocks made by the native library: values and bytes equal, bit for bit.
 * The loop runs over `ggmlTypes`: a type without a codec or without a vector fails.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isCodecError } from "@requant/core";
import { installKernels, kernelsAreInstalled, uninstallKernels } from "@requant/core/kernels";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { hasKernel } from "../src/kernels/module.ts";
import { type GgmlType, ggmlTypeById, ggmlTypeByName, ggmlTypes } from "../src/types/index.ts";
import { rowKinds, testImportance, testMatrix } from "./matrix.ts";

const folder = join(import.meta.dirname, "vectors/types");

const blocks = z.object({ file: z.string(), dequantizedSha256: z.string().optional() });
const bulk = z.object({
  sha256: z.string(),
  rowSha256First8: z.string(),
  dequantizedSha256: z.string().optional(),
});
const manifest = z
  .object({
    rowKinds: z.array(z.string()),
    inputSeed: z.number(),
    rows: z.number(),
    columns: z.number(),
    bulk: z.object({
      rows: z.number(),
      columns: z.number(),
      seed: z.number(),
      inputSha256: z.string(),
      imatrixSha256: z.string(),
    }),
    types: z.record(
      z.string(),
      z.object({
        plain: blocks.optional(),
        imatrix: blocks.optional(),
        random: blocks.optional(),
        bulkPlain: bulk.optional(),
        bulkImatrix: bulk.optional(),
        imatrixChangesBytes: z.boolean().optional(),
        requiresImatrix: z.boolean().optional(),
      }),
    ),
    plainTypes: z.record(z.string(), z.object({ bytes: z.string(), f32Bits: z.array(z.number()) })),
  })
  .parse(JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")));

const { rows, columns } = manifest;

/**
 * Rows whose bytes may differ from the vectors', per type, with the reason. They must still decode to values no worse
 * than the reference's.
 */
const exceptions: Readonly<Record<string, { kinds: readonly string[]; reason: string }>> = {};

function readBytes(file: string): Uint8Array {
  return new Uint8Array(readFileSync(join(folder, file)));
}

function readFloats(file: string): Float32Array {
  return new Float32Array(readBytes(file).buffer);
}

function sha256(data: Uint8Array | Float32Array): string {
  return createHash("sha256")
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest("hex");
}

function codecOf(type: GgmlType): NonNullable<GgmlType["codec"]> {
  if (type.codec === undefined) throw new Error(`${type.name} has no codec`);
  return type.codec;
}

function quantizeOf(type: GgmlType): NonNullable<NonNullable<GgmlType["codec"]>["quantize"]> {
  const { quantize } = codecOf(type);
  if (quantize === undefined) throw new Error(`${type.name} does not quantize`);
  return quantize;
}

function dequantize(type: GgmlType, bytes: Uint8Array): Float32Array {
  const out = new Float32Array((bytes.length / type.blockByteLength) * type.blockSize);
  codecOf(type).dequantize(bytes, out);
  return out;
}

function quantize(
  type: GgmlType,
  values: Float32Array,
  rowLength: number,
  importance?: Float32Array,
): Uint8Array {
  // Filled first: a codec must write every byte.
  const out = new Uint8Array((values.length / type.blockSize) * type.blockByteLength).fill(0xcc);
  quantizeOf(type)(values, rowLength, out, importance);
  return out;
}

/** The kinds of the rows that differ, so that a failure says where. */
function differingRows(actual: Uint8Array, expected: Uint8Array): string[] {
  expect(actual.length).toBe(expected.length);
  const rowByteLength = expected.length / rows;
  return manifest.rowKinds.filter((_, row) => {
    const start = row * rowByteLength;
    return Buffer.compare(
      actual.subarray(start, start + rowByteLength),
      expected.subarray(start, start + rowByteLength),
    );
  });
}

function squaredError(values: Float32Array, decoded: Float32Array): number {
  return values.reduce((sum, value, i) => sum + (value - decoded[i]!) ** 2, 0);
}

const input = readFloats("input.f32.bin");
const importance = readFloats("imatrix.f32.bin");
const bulkInput = testMatrix(manifest.bulk.seed, manifest.bulk.rows, manifest.bulk.columns);
const bulkImportance = testImportance(manifest.bulk.seed, manifest.bulk.columns);

describe("the test matrix", () => {
  it("is the one that the vectors were made from", () => {
    expect(rowKinds.map(([name]) => name)).toEqual(manifest.rowKinds);
    expect(sha256(testMatrix(manifest.inputSeed, rows, columns))).toBe(sha256(input));
    expect(sha256(testImportance(manifest.inputSeed, columns))).toBe(sha256(importance));
    expect(sha256(bulkInput)).toBe(manifest.bulk.inputSha256);
    expect(sha256(bulkImportance)).toBe(manifest.bulk.imatrixSha256);
  });
});

/** The suite runs over every codec in TypeScript, and again over those that have kernels. */
const withKernel = ggmlTypes.filter(
  ({ name }) => hasKernel(`dequantize${name}`) || hasKernel(`quantize${name}`),
);
const cases = [
  ...ggmlTypes.map((type) => [type.name, "TypeScript", type] as const),
  ...withKernel.map((type) => [type.name, "SIMD", type] as const),
];

it.runIf(kernelsAreInstalled())("has kernels to test", () => {
  expect(withKernel.length).toBeGreaterThan(20);
});

describe.each(cases)("%s in %s", (name, variant, type) => {
  beforeAll(variant === "SIMD" ? installKernels : uninstallKernels);
  afterAll(installKernels);

  const vectors = manifest.types[name];
  const plain = manifest.plainTypes[name];

  it("has a codec of its shape, and a vector", () => {
    const { blockSize, blockByteLength, fields } = codecOf(type);
    expect({ name: codecOf(type).name, blockSize, blockByteLength, fields }).toEqual({
      name,
      blockSize: type.blockSize,
      blockByteLength: type.blockByteLength,
      fields: type.fields,
    });
    expect(vectors !== undefined || plain !== undefined).toBe(true);
  });

  if (plain !== undefined) {
    const bytes = new Uint8Array(Buffer.from(plain.bytes, "hex"));
    it("dequantizes to the same bits", () => {
      expect([...new Uint32Array(dequantize(type, bytes).buffer)]).toEqual(plain.f32Bits);
    });
    it.runIf(type.codec?.quantize !== undefined)("quantizes and dequantizes to the same bits", () => {
      const values = new Float32Array(Uint32Array.from(plain.f32Bits).buffer);
      expect(dequantize(type, quantize(type, values, values.length))).toEqual(values);
    });
  }

  for (const [kind, weights] of [
    ["plain", undefined],
    ["imatrix", importance],
  ] as const) {
    const vector = vectors?.[kind];
    if (vector === undefined) continue;
    const expected = readBytes(vector.file);

    it(`dequantizes the ${kind} blocks to the same bits`, () => {
      if (vector.dequantizedSha256 === undefined) expect(name).toBe("Q8_1");
      else expect(sha256(dequantize(type, expected))).toBe(vector.dequantizedSha256);
    });

    it(`quantizes to the same bytes (${kind})`, () => {
      const actual = quantize(type, input, columns, weights);
      const excused = exceptions[name]?.kinds ?? [];
      expect(differingRows(actual, expected).filter((row) => !excused.includes(row))).toEqual([]);
      if (excused.length > 0) {
        expect(squaredError(input, dequantize(type, actual))).toBeLessThanOrEqual(
          squaredError(input, dequantize(type, expected)) * 1.001,
        );
      }
    });
  }

  const random = vectors?.random;
  if (random !== undefined) {
    it("dequantizes random blocks to the same bits", () => {
      const values = dequantize(type, readBytes(random.file));
      expect(values.length).toBe(64 * type.blockSize);
      expect(sha256(values)).toBe(random.dequantizedSha256);
    });
  }

  for (const [kind, vector, weights] of [
    ["plain", vectors?.bulkPlain, undefined],
    ["imatrix", vectors?.bulkImatrix, bulkImportance],
  ] as const) {
    if (vector === undefined) continue;
    it(`quantizes 128 × 1024 weights to the same bytes (${kind})`, () => {
      const actual = quantize(type, bulkInput, manifest.bulk.columns, weights);
      const rowByteLength = actual.length / manifest.bulk.rows;
      const differing = new Set<string>();
      for (let row = 0; row < manifest.bulk.rows; row++) {
        const hash = sha256(actual.subarray(row * rowByteLength, (row + 1) * rowByteLength)).slice(0, 8);
        const rowKind = manifest.rowKinds[row % rows]!;
        if (hash !== vector.rowSha256First8.slice(8 * row, 8 * row + 8)) differing.add(rowKind);
      }
      const excused = exceptions[name]?.kinds ?? [];
      expect([...differing].filter((row) => !excused.includes(row))).toEqual([]);
      if (excused.length > 0) return;
      expect(sha256(actual)).toBe(vector.sha256);
      if (vector.dequantizedSha256 !== undefined) {
        expect(sha256(dequantize(type, actual))).toBe(vector.dequantizedSha256);
      }
    });
  }

  if (vectors !== undefined) {
    it("declares the true effect of an importance matrix", () => {
      const changes = vectors.requiresImatrix ? "required" : vectors.imatrixChangesBytes ? "used" : "ignored";
      expect(type.importance).toBe(changes);
      if (changes === "ignored") {
        expect(quantize(type, input, columns, importance)).toEqual(quantize(type, input, columns));
      } else if (changes === "required") {
        expect(() => quantize(type, input, columns)).toThrow(/importance/);
      }
    });
  }

  it.runIf(type.codec?.quantize !== undefined)("gives a row the same bytes alone and with other rows", () => {
    const weights = type.importance === "ignored" ? undefined : importance;
    const together = quantize(type, input, columns, weights);
    const rowByteLength = together.length / rows;
    for (let row = 0; row < rows; row++) {
      const alone = quantize(type, input.subarray(row * columns, (row + 1) * columns), columns, weights);
      expect(alone).toEqual(together.subarray(row * rowByteLength, (row + 1) * rowByteLength));
    }
  });

  it("reads bytes at any offset of their buffer", () => {
    const vector = vectors?.random ?? vectors?.plain ?? vectors?.imatrix;
    const bytes =
      vector === undefined ? new Uint8Array(Buffer.from(plain!.bytes, "hex")) : readBytes(vector.file);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(new Uint32Array(dequantize(type, shifted.subarray(3)).buffer)).toEqual(
      new Uint32Array(dequantize(type, bytes).buffer),
    );
  });

  it("refuses lengths that do not fit together", () => {
    const codec = codecOf(type);
    const { blockSize, blockByteLength } = type;
    const usageError = expect.objectContaining({ code: "USAGE" });
    expect(() => codec.dequantize(new Uint8Array(blockByteLength + 1), new Float32Array(blockSize))).toThrow(
      usageError,
    );
    expect(() => codec.dequantize(new Uint8Array(blockByteLength), new Float32Array(2 * blockSize))).toThrow(
      usageError,
    );
    if (codec.quantize === undefined) return;
    const values = new Float32Array(2 * blockSize);
    const out = new Uint8Array(2 * blockByteLength);
    const weights = new Float32Array(blockSize).fill(1);
    expect(() => codec.quantize?.(values, blockSize, out.subarray(1), weights)).toThrow(usageError);
    expect(() => codec.quantize?.(values, 3 * blockSize, out, weights)).toThrow(usageError);
    if (type.importance === "ignored") return;
    expect(() => codec.quantize?.(values, 2 * blockSize, out, weights)).toThrow(usageError);
  });
});

describe("the table", () => {
  it("finds a type by id and by name", () => {
    for (const type of ggmlTypes) {
      expect(ggmlTypeById(type.id)).toEqual(type);
      expect(ggmlTypeByName(type.name)).toEqual(type);
    }
  });

  it("has a vector for no type that is not in it", () => {
    const names = new Set(ggmlTypes.map((type) => type.name));
    expect(
      Object.keys({ ...manifest.types, ...manifest.plainTypes }).filter((name) => !names.has(name)),
    ).toEqual([]);
  });

  it("refuses removed types and types of forks by name", () => {
    for (const [id, name] of [
      [4, "Q4_2"],
      [31, "Q4_0_4_4"],
      [133, "Q6_0"],
    ] as const) {
      expect(() => ggmlTypeById(id)).toThrow(name);
      expect(() => ggmlTypeByName(name)).toThrow(name);
    }
    try {
      ggmlTypeById(4711, { tensor: "output.weight" });
      expect.unreachable();
    } catch (error) {
      expect(isCodecError(error) && [error.code, error.tensor]).toEqual(["UNSUPPORTED", "output.weight"]);
      expect(String(error)).toContain("4711");
    }
  });
});

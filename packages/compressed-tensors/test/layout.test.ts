import { type CompressedTensorsLayout, compressedTensorsCodec } from "@requant/compressed-tensors";
import { CodecError } from "@requant/core";
import { allocateParts, type LinearPart } from "@requant/core/format";
import { quantizeView, viewMisfit } from "@requant/core/view";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const codec = compressedTensorsCodec;
const claims = { bits: 4, groupSize: 32 };
const place = { tensor: "model.layers.0.mlp.up_proj.weight_packed" };
const good: readonly LinearPart[] = [
  { suffix: "weight_packed", encoding: "I32", shape: [64, 16] },
  { suffix: "weight_scale", encoding: "BF16", shape: [64, 4] },
  { suffix: "weight_shape", encoding: "I64", shape: [2] },
  { suffix: "weight_zero_point", encoding: "I32", shape: [8, 4] },
  { suffix: "weight_g_idx", encoding: "I32", shape: [128] },
];

function refusal(run: () => unknown): CodecError {
  try {
    run();
  } catch (error) {
    if (error instanceof CodecError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

const changed = (suffix: string, changes: Partial<LinearPart>): LinearPart[] =>
  good.map((part) => (part.suffix === suffix ? { ...part, ...changes } : part));

test("the parts define the layout", () => {
  expect(codec.readLayout(good, claims)).toEqual({
    rows: 64,
    columns: 128,
    bits: 4,
    groupCount: 4,
    groupSize: 32,
    symmetric: false,
    scale: "BF16",
    grouping: "any",
  });
  expect(codec.readLayout(good.slice(0, 2), claims)).toMatchObject({
    columns: 128,
    symmetric: true,
    grouping: "sequential",
  });
});

test.each<[string, LinearPart[], RegExp]>([
  ["no codes", good.slice(1), /weight_packed is missing/],
  ["float codes", changed("weight_packed", { encoding: "F32" }), /weight_packed is F32/],
  ["scales of other rows", changed("weight_scale", { shape: [32, 4] }), /weight_scale is \[32, 4\]/],
  ["zero points of other rows", changed("weight_zero_point", { shape: [4, 4] }), /\[8, 4\] was expected/],
  ["g_idx of other columns", changed("weight_g_idx", { shape: [256] }), /256 columns of 4 bits/],
  [
    "groups that do not divide",
    [
      { suffix: "weight_packed", encoding: "I32", shape: [64, 16] },
      { suffix: "weight_scale", encoding: "F16", shape: [64, 3] },
    ],
    /3 groups, which do not divide 128 columns/,
  ],
])("%s", (_, bad, message) => {
  const error = refusal(() => codec.readLayout(bad, claims, place));
  expect(error.code).toBe("FORMAT");
  expect(error.message).toMatch(message);
  expect(error.tensor).toBe(place.tensor);
});

describe("contents", () => {
  const layout = codec.readLayout(good, claims);
  const fresh = (): Record<string, Uint8Array> => {
    const bytes = allocateParts(codec.parts(layout));
    new Int32Array(bytes["weight_shape"]!.buffer).set([64, 0, 128, 0]);
    return bytes;
  };

  test("a shape that the parts contradict", () => {
    const bytes = fresh();
    new Int32Array(bytes["weight_shape"]!.buffer)[2] = 120;
    expect(refusal(() => codec.open(layout, bytes, place)).message).toMatch(/says \[64, 120\].*\[64, 128\]/);
  });

  test("a group index out of range, and a group index that was never filled", () => {
    const bytes = fresh();
    new Int32Array(bytes["weight_g_idx"]!.buffer)[9] = 4;
    expect(refusal(() => codec.open(layout, bytes, place)).message).toMatch(/column 9 into group 4/);
    new Int32Array(bytes["weight_g_idx"]!.buffer).fill(-1);
    expect(codec.measure(layout, bytes)).toMatchObject({ groupSize: 32, scattered: false });
  });

  test("a scale that is not a number", () => {
    const bytes = fresh();
    new Uint16Array(bytes["weight_scale"]!.buffer)[4] = 0x7f80;
    expect(refusal(() => codec.open(layout, bytes, place)).message).toMatch(/row 1, group 0 is Infinity/);
  });
});

test("fromView∘toView is the identity for every width, shape and scale type", () => {
  fc.assert(
    fc.property(
      fc.record({
        bits: fc.integer({ min: 2, max: 8 }),
        rows: fc.integer({ min: 1, max: 70 }),
        columns: fc.integer({ min: 1, max: 100 }),
        groupSize: fc.constantFrom(16, 32, 48, -1),
        symmetric: fc.boolean(),
        scale: fc.constantFrom("F16" as const, "BF16" as const, "F32" as const),
        seed: fc.integer({ min: 1, max: 1000 }),
      }),
      ({ bits, rows, columns, groupSize, symmetric, scale, seed }) => {
        const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * seed) * seed);
        const view = quantizeView(values, rows, columns, { bits, groupSize, symmetric, scale });
        const layout: CompressedTensorsLayout = {
          rows,
          columns,
          bits,
          groupCount: view.groupCount,
          groupSize,
          symmetric,
          scale,
          grouping: "sequential",
        };
        const bytes = allocateParts(codec.parts(layout));
        codec.fromView(layout, view, 0, bytes);
        expect(codec.open(layout, bytes).toView(0, rows)).toEqual(view);
        expect(viewMisfit(codec.measure(layout, bytes), codec.requirement(layout))).toBeUndefined();
      },
    ),
    { numRuns: 150 },
  );
});

import { CodecError } from "@requant/core";
import type { LinearPart } from "@requant/core/format";
import { mlxCodec, mlxFormat } from "@requant/mlx";
import { describe, expect, test } from "vitest";

const place = { tensor: "model.layers.0.mlp.up_proj" };
const parts = (words: number, groups: number, scale = "BF16", lead: number[] = [64]): LinearPart[] => [
  { suffix: "weight", encoding: "U32", shape: [...lead, words] },
  { suffix: "scales", encoding: scale, shape: [...lead, groups] },
  ...(scale === "U8" ? [] : [{ suffix: "biases", encoding: scale, shape: [...lead, groups] }]),
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

describe("the layout", () => {
  test.each([
    [
      { bits: 4, groupSize: 64 },
      { columns: 256, bits: 4, groupSize: 64 },
    ],
    [
      { bits: 8, groupSize: 32 },
      { columns: 128, bits: 8, groupSize: 32 },
    ],
    [{ bits: 2 }, { columns: 512, bits: 2, groupSize: 128 }],
    [{ groupSize: 32 }, { columns: 128, bits: 8, groupSize: 32 }],
  ])("of 32 words and 4 scales follows the claims %j", (claims, expected) => {
    expect(mlxCodec.readLayout(parts(32, 4), claims)).toEqual({
      rows: 64,
      mode: "affine",
      scale: "BF16",
      ...expected,
    });
  });

  test.each([
    [parts(32, 16, "U8"), { mode: "nvfp4", columns: 256, bits: 4, groupSize: 16 }],
    [parts(32, 8, "U8"), { mode: "mxfp4", columns: 256, bits: 4, groupSize: 32 }],
    [parts(32, 4, "U8"), { mode: "mxfp8", columns: 128, bits: 8, groupSize: 32 }],
  ])("of scales of 8 bits needs no claims", (stored, expected) => {
    expect(mlxCodec.readLayout(stored, {})).toMatchObject(expected);
  });

  test("of three bits alone needs none, either: no other width has such rows", () => {
    expect(mlxCodec.readLayout(parts(12, 4), {})).toMatchObject({ bits: 3, groupSize: 32, columns: 128 });
  });

  test("of a stack has the rows of all matrices", () => {
    const layout = mlxCodec.readLayout(parts(32, 4, "F16", [3, 64]), { bits: 4, groupSize: 64 });
    expect(layout).toMatchObject({ rows: 192, experts: 3 });
    expect(mlxCodec.parts(layout)).toEqual(parts(32, 4, "F16", [3, 64]));
  });
});

test.each<[string, LinearPart[], object, RegExp]>([
  ["no scales", parts(32, 4).slice(0, 1), {}, /scales is missing/],
  [
    "scales of other rows",
    [...parts(32, 4).slice(0, 1), ...parts(32, 4, "F16", [32]).slice(1)],
    {},
    /same rows/,
  ],
  ["no biases", parts(32, 4).slice(0, 2), { bits: 4, groupSize: 64 }, /biases is missing/],
  [
    "biases of another type",
    [...parts(32, 4).slice(0, 2), ...parts(32, 4, "F32").slice(2)],
    { bits: 4, groupSize: 64 },
    /biases is F32 \[64, 4\]; BF16 \[64, 4\] was expected/,
  ],
  ["biases beside bytes", [...parts(32, 8, "U8"), ...parts(32, 8).slice(2)], {}, /which have none in MLX/],
  ["codes of signed words", parts(32, 4).map((part) => ({ ...part, encoding: "I32" })), {}, /weight is I32/],
  [
    "claims that contradict the shapes",
    parts(32, 4),
    { bits: 6, groupSize: 64 },
    /says 6 bits and groups of 64; such rows have 2 bits in groups of 128, or 4 bits in groups of 64, or 8 bits in groups of 32/,
  ],
  ["rows of no width", parts(33, 4), { bits: 4, groupSize: 64 }, /no width of MLX has such rows/],
  [
    "a global scale in another mode",
    [...parts(32, 8, "U8"), { suffix: "global_scale", encoding: "F32", shape: [1] }],
    {},
    /global_scale is F32 \[1\] in mode mxfp4/,
  ],
  [
    "a global scale for each of other experts",
    [...parts(32, 16, "U8", [3, 64]), { suffix: "global_scale", encoding: "F32", shape: [4] }],
    {},
    /one number, or with 3,/,
  ],
])("%s", (_, bad, claims, message) => {
  const error = refusal(() => mlxCodec.readLayout(bad, claims, place));
  expect(error.code).toBe("FORMAT");
  expect(error.tensor).toBe(place.tensor);
  expect(error.message).toMatch(message);
});

test("a weight of 4 bits is told apart from others by its words and scales", () => {
  const find = (stored: LinearPart[]) =>
    mlxFormat.find(
      stored.map((part) => ({ ...part, name: `m.${part.suffix}`, byteOffset: 0, byteLength: 0 })),
      undefined,
    )[0]?.isWeight;
  expect(find(parts(32, 4))).toBe(true);
  expect(find(parts(32, 8, "U8"))).toBe(true);
  // a float weight beside scales, and words beside scales alone, are other formats'
  expect(find(parts(32, 4).map((part) => ({ ...part, encoding: "BF16" })))).toBe(false);
  expect(find(parts(32, 4).slice(0, 2))).toBe(false);
});

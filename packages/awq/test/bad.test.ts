import { type AwqClaims, awqCodec } from "@requant/awq";
import { CodecError } from "@requant/core";
import { allocateParts, type LinearPart } from "@requant/core/format";
import { describe, expect, test } from "vitest";

const claims: AwqClaims = { version: "gemm", groupSize: 32 };
const place = { tensor: "model.layers.0.mlp.up_proj.qweight" };

function refusal(run: () => unknown): CodecError {
  try {
    run();
  } catch (error) {
    if (error instanceof CodecError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

function parts(...list: [string, string, number[]][]): LinearPart[] {
  return list.map(([suffix, encoding, shape]) => ({ suffix, encoding, shape }));
}

const gemm = parts(["qweight", "I32", [64, 16]], ["qzeros", "I32", [2, 16]], ["scales", "F16", [2, 128]]);
const gemv = parts(["qweight", "I32", [128, 8]], ["qzeros", "I32", [128, 4]], ["scales", "F16", [128, 32]]);
const fast = parts(["qweight", "I16", [32, 64]], ["qzeros", "F16", [32, 128]], ["scales", "F16", [32, 128]]);
const marlin = parts(["qweight", "I32", [4, 256]], ["scales", "F16", [2, 128]]);

test.each([
  ["gemm", gemm],
  ["gemv", gemv],
  ["gemv_fast", fast],
  ["llm-awq", fast.map((part) => (part.suffix === "qzeros" ? { ...part, suffix: "scaled_zeros" } : part))],
  ["marlin", marlin],
])("%s is recognised by its parts, independent of the claim", (version, found) => {
  for (const claimed of ["gemm", "gemv", "marlin"] as const) {
    const layout = awqCodec.readLayout(found, { version: claimed, groupSize: 32 });
    expect(layout).toMatchObject({ version, rows: 128, columns: 64, groupSize: 32, groupCount: 2 });
    expect(awqCodec.parts(layout)).toEqual(expect.arrayContaining(found));
  }
});

test("a square weight with as many groups as rows of words has the claimed version", () => {
  const square = parts(["qweight", "I32", [32, 4]], ["qzeros", "I32", [32, 4]], ["scales", "F16", [32, 32]]);
  expect(awqCodec.readLayout(square, { version: "gemm", groupSize: 1 }).version).toBe("gemm");
  expect(awqCodec.readLayout(square, { version: "gemv", groupSize: 1 }).version).toBe("gemv");
});

describe("parts that contradict each other", () => {
  const change = (list: LinearPart[], suffix: string, changes: Partial<LinearPart>): LinearPart[] =>
    list.map((part) => (part.suffix === suffix ? { ...part, ...changes } : part));

  test.each<[string, LinearPart[], RegExp]>([
    ["no scales", gemm.slice(0, 2), /scales is missing/],
    ["nothing", [], /qweight is missing; there are none/],
    ["shapes of no version", change(gemm, "scales", { shape: [2, 64] }), /do not make an AWQ weight/],
    [
      "zero points of another width",
      change(gemm, "qzeros", { shape: [2, 8] }),
      /qzeros has 8 words per group/,
    ],
    ["integer scales", change(gemm, "scales", { encoding: "I16" }), /scales is I16/],
    [
      "groups that do not divide",
      parts(["qweight", "I32", [64, 16]], ["qzeros", "I32", [3, 16]], ["scales", "F16", [3, 128]]),
      /3 groups do not divide 64/,
    ],
    ["a vector", change(gemm, "qweight", { shape: [1024] }), /do not make an AWQ weight/],
    [
      "padding of no group size",
      change(change(gemv, "qzeros", { shape: [128, 3] }), "scales", { shape: [128, 24] }),
      /3 words of zero points per row/,
    ],
    ["offsets in integers", change(fast, "qzeros", { encoding: "I32" }), /qzeros is I32/],
    ["offsets of other rows", change(fast, "qzeros", { shape: [16, 128] }), /\[32, 128\] was expected/],
    ["scales of other rows", change(marlin, "scales", { shape: [2, 64] }), /\[groups, 128\] was expected/],
  ])("%s", (_, bad, message) => {
    const error = refusal(() => awqCodec.readLayout(bad, claims, place));
    expect(error.code).toBe("FORMAT");
    expect(error.message).toMatch(message);
    expect(error.tensor).toBe(place.tensor);
  });
});

describe("contents", () => {
  test.each([
    ["gemm", gemm],
    ["gemv", gemv],
    ["gemv_fast", fast],
    ["marlin", marlin],
  ])("%s: a scale that is not a number", (_, found) => {
    const layout = awqCodec.readLayout(found, claims);
    const bytes = allocateParts(awqCodec.parts(layout));
    new Uint16Array(bytes["scales"]!.buffer)[1] = 0x7c01;
    expect(refusal(() => awqCodec.open(layout, bytes, place)).message).toMatch(/is NaN, not a finite number/);
  });

  test("an offset that is not a number", () => {
    const layout = awqCodec.readLayout(fast, claims);
    const bytes = allocateParts(awqCodec.parts(layout));
    new Uint16Array(bytes["qzeros"]!.buffer)[3] = 0x7c00;
    expect(refusal(() => awqCodec.open(layout, bytes, place)).message).toMatch(/zero offset \d+ is Infinity/);
  });
});

test.each([
  ["gemm", [12, 64], /multiples of \[8, 1\]/],
  ["gemv_fast", [16, 96], /multiples of \[4, 64\]/],
  ["marlin", [96, 64], /multiples of \[64, 16\]/],
] as const)("%s cannot be written for [%j]", (version, [rows, columns], message) => {
  const layout = { version, rows, columns, groupSize: 32, groupCount: columns / 32, scale: "F16" } as const;
  expect(refusal(() => awqCodec.parts(layout)).message).toMatch(message);
});

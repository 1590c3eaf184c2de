import { CodecError } from "@requant/core";
import { allocateParts, type LinearPart } from "@requant/core/format";
import { type GptqLayout, gptqCodec, gptqMarlinCodec } from "@requant/gptq";
import { describe, expect, test } from "vitest";

const claims = { groupSize: 32, sym: true, checkpointFormat: "gptq", quantizer: [] } as const;
const good: readonly LinearPart[] = [
  { suffix: "qweight", encoding: "I32", shape: [8, 32] },
  { suffix: "qzeros", encoding: "I32", shape: [2, 4] },
  { suffix: "scales", encoding: "F16", shape: [2, 32] },
  { suffix: "g_idx", encoding: "I32", shape: [64] },
];
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

function changed(suffix: string, change: Partial<LinearPart>): LinearPart[] {
  return good.map((part) => (part.suffix === suffix ? { ...part, ...change } : part));
}

test("the good parts are good", () => {
  expect(gptqCodec.readLayout(good, claims)).toMatchObject({ rows: 32, columns: 64, bits: 4, groupCount: 2 });
});

describe("parts that contradict each other", () => {
  test.each<[string, LinearPart[], RegExp]>([
    ["no qweight", good.slice(1), /qweight is missing; there are qzeros, scales, g_idx/],
    ["no scales", good.filter(({ suffix }) => suffix !== "scales"), /scales is missing/],
    ["float words", changed("qweight", { encoding: "F16" }), /qweight is F16/],
    ["other words in qzeros", changed("qzeros", { encoding: "I16" }), /qzeros is I16/],
    ["scales of another width", changed("scales", { shape: [2, 64] }), /\[2, 32\] was expected/],
    ["scales of other groups", changed("scales", { shape: [3, 32] }), /\[2, 32\] was expected/],
    ["scales in integers", changed("scales", { encoding: "I16" }), /scales is I16/],
    ["a width that is none", changed("qzeros", { shape: [2, 1] }), /is 1 bits each/],
    ["g_idx of another length", changed("g_idx", { shape: [63] }), /I32 \[64\] was expected/],
    ["a vector as qweight", changed("qweight", { shape: [256] }), /a matrix was expected/],
    ["an empty matrix", changed("qweight", { shape: [0, 32] }), /a matrix was expected/],
    [
      "groups that do not divide, without g_idx",
      [
        { suffix: "qweight", encoding: "I32", shape: [8, 32] },
        { suffix: "qzeros", encoding: "I32", shape: [3, 4] },
        { suffix: "scales", encoding: "F16", shape: [3, 32] },
      ],
      /3 groups do not divide 64 columns/,
    ],
  ])("%s", (_, parts, words) => {
    const error = refusal(() => gptqCodec.readLayout(parts, claims, place));
    expect(error.code).toBe("FORMAT");
    expect(error.message).toMatch(words);
    expect(error.tensor).toBe(place.tensor);
  });

  test("3-bit rows that do not fill words", () => {
    const parts: LinearPart[] = [
      { suffix: "qweight", encoding: "I32", shape: [6, 48] },
      { suffix: "qzeros", encoding: "I32", shape: [1, 4.5] },
      { suffix: "scales", encoding: "F16", shape: [1, 48] },
    ];
    expect(refusal(() => gptqCodec.readLayout(parts, claims)).message).toMatch(/32 at a time/);
  });
});

describe("contents", () => {
  const layout: GptqLayout = gptqCodec.readLayout(good, claims);
  const fresh = (): Record<string, Uint8Array> => allocateParts(gptqCodec.parts(layout));

  test("a group index out of range", () => {
    for (const group of [2, -1, 2 ** 31 - 1]) {
      const bytes = fresh();
      new Int32Array(bytes["g_idx"]!.buffer)[5] = group;
      const error = refusal(() => gptqCodec.open(layout, bytes, place));
      expect(error.message).toMatch(`g_idx puts column 5 into group ${group}`);
      expect(error.tensor).toBe(place.tensor);
    }
  });

  test.each([0x7e00, 0x7c00, 0xfc00])("a scale of bits %i", (half) => {
    const bytes = fresh();
    new Uint16Array(bytes["scales"]!.buffer)[33] = half;
    const error = refusal(() => gptqCodec.open(layout, bytes, place));
    expect(error.message).toMatch(/row 1, group 1 is (NaN|-?Infinity), not a finite number/);
  });
});

test("Marlin parts", () => {
  const parts = (codes: number[], scales: number[]): LinearPart[] => [
    { suffix: "B", encoding: "I32", shape: codes },
    { suffix: "s", encoding: "F16", shape: scales },
  ];
  expect(gptqMarlinCodec.readLayout(parts([4, 128], [1, 64]), claims)).toMatchObject({
    rows: 64,
    columns: 64,
  });
  for (const bad of [
    parts([4, 64], [1, 32]),
    parts([4, 128], [1, 32]),
    parts([4], [1, 64]),
    parts([0, 128], [1, 64]),
  ]) {
    expect(refusal(() => gptqMarlinCodec.readLayout(bad, claims)).code).toBe("FORMAT");
  }
});

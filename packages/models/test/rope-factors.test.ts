/**
 * Rope factors and the settings that give them. Oracle: llama.cpp's formula (conversion/llama.py,
 * `generate_extra_tensors`) run by numpy 2.4.6 in float32, whose bits are written down here.
 */

import { describe, expect, test } from "vitest";
import { type GgufContent, type GgufModelPlan, ggufToHf, type HfPlan, hfToGguf } from "../src/index.ts";
import { llama3Factors, solveLlama3 } from "../src/rope-llama3.ts";
import { messagesOf } from "./messages.ts";
import { readVector, vectorFiles } from "./vector.ts";

function floatOf(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits);
  return view.getFloat32(0);
}

/** Factors of 32 pairs: 1 for the first, then the values between the limits, then the whole factor. */
interface Numpy {
  readonly name: string;
  readonly theta: number;
  readonly scaling: { readonly factor: number; readonly low: number; readonly high: number; context: number };
  readonly ones: number;
  readonly between: readonly number[];
  readonly whole: number;
  /** True where no published model has such limits, so that the plan names them. */
  readonly doubted?: true;
  /** True where numpy's power function rounds otherwise than the exact power: one value has another last bit. */
  readonly otherLastBit?: true;
}

const numpyFactors: readonly Numpy[] = [
  {
    name: "Llama 3.1, factor 8",
    theta: 500000,
    scaling: { factor: 8, low: 1, high: 4, context: 8192 },
    ones: 15,
    between: [0x3fc6d64a, 0x402c732e, 0x40a83c06],
    whole: 0x41000000,
  },
  {
    name: "Llama 3.2, factor 32",
    theta: 500000,
    scaling: { factor: 32, low: 1, high: 4, context: 8192 },
    ones: 15,
    between: [0x3fd35ec2, 0x4052b46f, 0x411aaaee],
    whole: 0x42000000,
  },
  {
    name: "Llama 4 Scout, factor 16 and equal limits",
    theta: 500000,
    scaling: { factor: 16, low: 1, high: 1, context: 8192 },
    ones: 18,
    between: [],
    whole: 0x41800000,
  },
  {
    name: "factor 12.3, which f32 rounds",
    theta: 500000,
    scaling: { factor: 12.3, low: 1, high: 4, context: 8192 },
    ones: 15,
    between: [0x3fcc7d25, 0x403c64af, 0x40d5a9d3],
    whole: 0x4144cccd,
  },
  {
    name: "factor 3.3333333 and a context of 32768",
    theta: 1000000,
    scaling: { factor: 3.3333333, low: 1, high: 4, context: 32768 },
    ones: 17,
    between: [0x3f9560db, 0x3fdcc21f, 0x40200a5e],
    whole: 0x40555555,
    otherLastBit: true,
  },
  {
    name: "limits that no published model has",
    theta: 10000,
    scaling: { factor: 5.5, low: 1, high: 6, context: 1000 },
    ones: 12,
    between: [0x3f981063, 0x3fc9548b, 0x4004f886, 0x402f1cf8, 0x4065b4b4, 0x4095e579],
    whole: 0x40b00000,
    doubted: true,
  },
];

describe.each(numpyFactors)("$name", ({ theta, scaling, ones, between, whole, doubted, otherLastBit }) => {
  const bits = Array.from({ length: 32 }, (_, pair) =>
    pair < ones ? 0x3f800000 : (between[pair - ones] ?? whole),
  );
  const values = Float32Array.from(bits, floatOf);

  test("the settings give numpy's bits", () => {
    const made = llama3Factors(theta, 64, scaling);
    const other = made.filter((value, pair) => value !== values[pair]);
    expect(other).toHaveLength(otherLastBit ? 1 : 0);
    for (const [pair, value] of made.entries()) {
      expect(Math.abs(value - (values[pair] ?? 0))).toBeLessThanOrEqual(2 ** -22 * value);
    }
  });

  test("numpy's bits give the settings", () => {
    const found = solveLlama3(values, theta);
    expect(found?.scaling).toEqual(scaling);
    expect(found?.doubt !== undefined).toBe(doubted === true);
  });
});

test("limits that are no short decimals: settings with the same effect, and a doubt", () => {
  // numpy: theta 500000, 32 pairs, factor 12.3, limits 1.1 and 3.7, context 10000
  const bits = [0x3f8fa4d5, 0x40032abc, 0x409132e7];
  const values = Float32Array.from({ length: 32 }, (_, pair) =>
    pair < 15 ? 1 : floatOf(bits[pair - 15] ?? 0x4144cccd),
  );
  const found = solveLlama3(values, 500000);
  expect(found?.scaling.factor).toBe(12.3);
  expect(found?.doubt).toMatch(/gives the factor and the ratio of limits and context/);
});

test.each([
  ["below 1", [1, 1, 0.5, 8]],
  ["not a number", [1, 1, Number.NaN, 8]],
  ["infinite", [1, 1, 1, Number.POSITIVE_INFINITY]],
])("a value that is %s is not one of Llama 3's", (_, values) => {
  expect(solveLlama3(values, 500000)).toBeUndefined();
});

test.each([0, 1, 2])("%i values cost a bounded search", (length) => {
  expect(solveLlama3(new Float32Array(length).fill(1), 10000)?.scaling.low).toBe(1);
});

function ggufOf(name: string): GgufModelPlan {
  const vector = readVector(name);
  return hfToGguf(vectorFiles(vector), { fileType: vector.fileType });
}

function back(facts: GgufContent): { readonly plan: HfPlan; readonly config: Record<string, unknown> } {
  const plan = ggufToHf(facts, { dtype: "BF16" });
  return { plan, config: JSON.parse(String(plan.files.get("config.json"))) };
}

describe("a rope tensor that no config.json can express", () => {
  test("Llama: the tensor is reported, and the nearest settings with their difference", () => {
    const values = [1, 1, 2.5, 1, 8, 8, 8, 8];
    const { plan, config } = back({
      ...ggufOf("llama31"),
      smallTensors: new Map([["rope_freqs.weight", values]]),
    });
    expect(config["rope_scaling"]).toMatchObject({ rope_type: "llama3", factor: 8 });
    const notes = messagesOf(plan);
    expect(notes).toMatch(
      /config\.json rope_scaling = .*: no settings give the values of rope_freqs\.weight/,
    );
    expect(notes).toMatch(
      /rope_freqs\.weight: no rope setting of config\.json gives these factors; with the nearest, \d of 8 factors differ/,
    );
    expect(plan.leftOut.find(({ name }) => name === "rope_freqs.weight")?.reason).toMatch(/no rope setting/);
  });

  test("Llama: factors below 1 are not a scaling, and that is reported", () => {
    const values = [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5];
    const { plan, config } = back({
      ...ggufOf("llama31"),
      smallTensors: new Map([["rope_freqs.weight", values]]),
    });
    expect(config["rope_scaling"]).toBeNull();
    expect(messagesOf(plan)).toMatch(
      /rope_freqs\.weight: no rope setting .* gives these factors, so it has none/,
    );
  });

  test("a family without rope factors: the tensor is reported", () => {
    const gguf = ggufOf("qwen2");
    const tensors = [...gguf.tensors, { name: "rope_freqs.weight", shape: [8], inputs: [] }];
    const smallTensors = new Map([["rope_freqs.weight", [1, 1, 1, 1, 8, 8, 8, 8]]]);
    const { plan } = back({ ...gguf, tensors, smallTensors });
    expect(messagesOf(plan)).toMatch(/rope_freqs\.weight: this family's config\.json has no setting/);
  });

  test("tensors that were not read are reported for every family", () => {
    for (const [name, tensor] of [
      ["llama31", "rope_freqs.weight"],
      ["gemma4", "rope_freqs.weight"],
      ["phi3", "rope_factors_long.weight"],
      ["phi3", "rope_factors_short.weight"],
    ] as const) {
      const { plan } = back({ ...ggufOf(name), smallTensors: undefined });
      expect(messagesOf(plan)).toMatch(new RegExp(`${tensor} was not read`));
    }
  });
});

describe("keys of GGUF that llama.cpp reads and its converter does not write", () => {
  test("a scaling factor without a type is a linear one", () => {
    const gguf = ggufOf("llama2");
    const metadata = new Map(gguf.metadata).set("llama.rope.scaling.factor", { type: "f32", value: 4 });
    const { config } = back({ ...gguf, metadata, smallTensors: undefined });
    expect(config["rope_scaling"]).toEqual({ rope_type: "linear", factor: 4 });
  });

  test("Phi-3: an attention factor that the contexts do not give is written out", () => {
    const gguf = ggufOf("phi3");
    const metadata = new Map(gguf.metadata).set("phi3.rope.scaling.attn_factor", { type: "f32", value: 1.5 });
    const smallTensors = new Map([
      ["rope_factors_long.weight", [1, 2, 3, 4, 5, 6, 7, 8]],
      ["rope_factors_short.weight", [1, 1, 1, 1, 2, 2, 2, 2]],
    ]);
    const { config } = back({ ...gguf, metadata, smallTensors });
    expect(config["rope_scaling"]).toEqual({
      type: "longrope",
      long_factor: [1, 2, 3, 4, 5, 6, 7, 8],
      short_factor: [1, 1, 1, 1, 2, 2, 2, 2],
      attention_factor: 1.5,
    });
  });
});

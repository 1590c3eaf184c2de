/**
 * A tiny directory with the names and encodings of DeepSeek V4: experts of 4-bit floats in I8 with a power of two for 32
 * columns, attention in FP8 with a power of two for each block of 128 × 128. Oracle: the formulas of the OCP formats, here
 * computed from bits.
 */
import { memoryStore } from "@requant/core";
import { describe, expect, it } from "vitest";
import { openModel, parseTarget, planConversion, runPlan } from "../../src/index.ts";
import { hfDirectory, type Weights } from "../hf-directory.ts";

/** Numbers without a pattern that a wrong order could hide in. */
const mixed = (index: number, most: number): number =>
  Math.floor(((index * 2654435761) % 2 ** 32) / 2 ** 7) % most;
const bytesOf = (length: number, of: (index: number) => number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => of(i));

/** Sign, two bits of exponent with bias 1, one bit of fraction. */
function e2m1(code: number): number {
  const [exponent, fraction] = [(code >> 1) & 3, code & 1];
  const magnitude = exponent === 0 ? fraction / 2 : 2 ** (exponent - 1) * (1 + fraction / 2);
  return code & 8 ? -magnitude : magnitude;
}

/** Sign, four bits of exponent with bias 7, three bits of fraction. */
function e4m3(code: number): number {
  const [exponent, fraction] = [(code >> 3) & 15, code & 7];
  const magnitude = exponent === 0 ? fraction * 2 ** -9 : 2 ** (exponent - 7) * (1 + fraction / 8);
  return code & 0x80 ? -magnitude : magnitude;
}

interface Made {
  readonly parts: Weights;
  readonly value: (row: number, column: number) => number;
}

function expert(name: string, rows: number, columns: number, seed: number): Made {
  const codes = bytesOf((rows * columns) / 2, (i) => mixed(i + seed, 256));
  const scales = bytesOf((rows * columns) / 32, (i) => 110 + mixed(i + seed, 30));
  return {
    parts: new Map([
      [`${name}.weight`, { shape: [rows, columns / 2], encoding: "I8", bytes: codes }],
      [`${name}.scale`, { shape: [rows, columns / 32], encoding: "F8_E8M0", bytes: scales }],
    ]),
    value(row, column) {
      const at = row * columns + column;
      const code = ((codes[at >> 1] ?? 0) >> (4 * (at & 1))) & 15;
      return e2m1(code) * 2 ** ((scales[at >> 5] ?? 0) - 127);
    },
  };
}

function attention(name: string, rows: number, columns: number, seed: number): Made {
  // 0x7f and 0xff are NaN
  const codes = bytesOf(rows * columns, (i) => mixed(i + seed, 0x7f) | (i % 3 === 0 ? 0x80 : 0));
  const across = Math.ceil(columns / 128);
  const scales = bytesOf(Math.ceil(rows / 128) * across, (i) => 112 + mixed(i + seed, 12));
  return {
    parts: new Map([
      [`${name}.weight`, { shape: [rows, columns], encoding: "F8_E4M3", bytes: codes }],
      [`${name}.scale`, { shape: [Math.ceil(rows / 128), across], encoding: "F8_E8M0", bytes: scales }],
    ]),
    value(row, column) {
      const scale = scales[Math.floor(row / 128) * across + Math.floor(column / 128)] ?? 0;
      return e4m3(codes[row * columns + column] ?? 0) * 2 ** (scale - 127);
    },
  };
}

const sizes = {
  "layers.0.attn.wq_a": { make: attention, rows: 192, columns: 256 },
  "layers.0.attn.wkv": { make: attention, rows: 576, columns: 256 },
  "layers.0.ffn.experts.0.w1": { make: expert, rows: 64, columns: 256 },
  "layers.0.ffn.experts.0.w2": { make: expert, rows: 256, columns: 64 },
  "layers.0.ffn.experts.1.w1": { make: expert, rows: 64, columns: 256 },
  "layers.0.ffn.shared_experts.w1": { make: attention, rows: 64, columns: 256 },
} as const;

const quantization_config = {
  quant_method: "fp8",
  fmt: "e4m3",
  scale_fmt: "ue8m0",
  activation_scheme: "dynamic",
  weight_block_size: [128, 128],
};

describe("a directory like DeepSeek V4's", () => {
  it.each(["f32", "bf16"])("safetensors:%s has the value of every code", async (type) => {
    const made = Object.entries(sizes).map(
      ([name, { make, rows, columns }], index) =>
        [name, rows, columns, make(name, rows, columns, 977 * index)] as const,
    );
    const norm = { shape: [256], encoding: "BF16", bytes: new Uint8Array(512) };
    const weights: Weights = new Map([
      ...made.flatMap(([, , , { parts }]) => [...parts]),
      ["layers.0.attn_norm.weight", norm],
    ]);
    const config = {
      architectures: ["DeepseekV4ForCausalLM"],
      model_type: "deepseek_v4",
      quantization_config,
    };
    const source = await openModel({
      store: await hfDirectory(weights, { "config.json": JSON.stringify(config) }),
    });
    expect(source.unclaimed).toEqual([]);
    expect(new Set(source.tensors.map(({ linear }) => linear?.format))).toEqual(
      new Set(["fp8", "mxfp4", undefined]),
    );
    expect(source.findings.filter(({ severity }) => severity !== "note")).toEqual([]);
    const output = memoryStore({ name: "floats" });
    // powers of two: BF16 holds every value
    const plan = await planConversion(source, parseTarget(`safetensors:${type}`), { exact: true });
    await runPlan(plan, source, output);
    const floats = await openModel({ store: output });
    expect(floats.tensors.map(({ name }) => name).sort()).toEqual(
      [...Object.keys(sizes).map((name) => `${name}.weight`), "layers.0.attn_norm.weight"].sort(),
    );
    for (const [name, rows, columns, { value }] of made) {
      const values = new Float32Array(rows * columns);
      await floats.weight(`${name}.weight`).readRows(0, rows, values);
      const wrong = values.findIndex((own, i) => own !== value(Math.floor(i / columns), i % columns));
      expect([name, wrong]).toEqual([name, -1]);
    }
  });
});

/**
 * LoRA adapters: to GGUF, back, and merged. Oracles: the files of llama.cpp's convert_lora_to_gguf.py (golden set), llama.cpp with the
 * adapter applied, and W + alpha / rank × B A computed here in f64 from the stored numbers.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Model, openModel } from "@requant/convert";
import { directoryStore } from "@requant/core/node";
import type { LlamaModel, Token } from "node-llama-cpp";
import { afterAll, describe, expect, it } from "vitest";
import { loadLlama, withModel } from "../../../fixtures/llama-client.ts";
import { interrupted, requant } from "./run.ts";

const golden = process.env["REQUANT_GOLDEN"] ?? "";
const set = join(golden, "arch2");
const kjv = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-lora-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface GoldenAdapter {
  readonly dir: string;
  readonly base: { readonly set: string; readonly dir: string };
  readonly gguf: Readonly<Record<string, { readonly sha256: string }>>;
}

const adapters: Record<string, GoldenAdapter> =
  golden === "" || !existsSync(join(set, "lora.json"))
    ? {}
    : JSON.parse(readFileSync(join(set, "lora.json"), "utf8")).models;
const entries = Object.entries(adapters).map(([name, { dir, base, gguf }]) => ({
  name,
  adapter: join(set, dir),
  base: join(golden, base.set, base.dir),
  gguf,
}));
const outputs = entries.flatMap((entry) =>
  Object.entries(entry.gguf).map(([type, { sha256 }]) => ({ ...entry, type: type.toLowerCase(), sha256 })),
);

async function opened<T>(path: string, use: (model: Model) => Promise<T>): Promise<T> {
  const file = /\.(?:gguf|safetensors)$/.exec(path) ? path.slice(path.lastIndexOf("/") + 1) : undefined;
  const store = directoryStore(file === undefined ? path : path.slice(0, -file.length - 1));
  const model = await openModel({ store, file });
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

/** All numbers of a tensor, in f32. */
async function numbersOf(model: Model, name: string): Promise<Float32Array> {
  const { shape } = model.tensor(name);
  const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
  const out = new Float32Array(rows * (shape.at(-1) ?? 1));
  await model.weight(name).readRows(0, rows, out);
  return out;
}

async function allNumbers(path: string): Promise<Map<string, Float32Array>> {
  return opened(path, async (model) => {
    const values = new Map<string, Float32Array>();
    for (const { name } of model.tensors) values.set(name, await numbersOf(model, name));
    return values;
  });
}

/** The largest difference, and the largest number. */
function difference(
  one: ArrayLike<number>,
  other: ArrayLike<number>,
): { readonly worst: number; readonly largest: number } {
  let worst = one.length === other.length ? 0 : Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < one.length; i++) {
    worst = Math.max(worst, Math.abs((one[i] ?? Number.NaN) - (other[i] ?? Number.NaN)));
    largest = Math.max(largest, Math.abs(other[i] ?? Number.NaN));
  }
  return { worst, largest };
}

describe.skipIf(entries.length === 0)("adapters of the golden set (REQUANT_GOLDEN)", () => {
  it.each(outputs)("$name as $type is the file of llama.cpp's script", async (entry) => {
    const { adapter, base, type, sha256 } = entry;
    const made = join(folder, `${entry.name}-${type}.gguf`);
    const words = ["convert", adapter, made, "--to", `gguf:${type}`, "--base", base];
    expect(await requant(...words)).toMatchObject({ status: 0 });
    expect(createHash("sha256").update(readFileSync(made)).digest("hex")).toBe(sha256);
  });

  it.each(entries)(
    "$name comes back with the tensors of the PEFT directory",
    async ({ name, adapter, base }) => {
      const made = join(folder, `${name}-f32.gguf`);
      const back = join(folder, `${name}-back`);
      const words = ["convert", made, back, "--to", "safetensors:f32", "--base", base];
      expect(await requant(...words)).toMatchObject({ status: 0 });
      expect(await allNumbers(back)).toEqual(await allNumbers(adapter));
      const [was, is] = [adapter, back].map((path) =>
        JSON.parse(readFileSync(join(path, "adapter_config.json"), "utf8")),
      );
      for (const key of ["r", "lora_alpha", "target_modules", "peft_type", "use_rslora", "rank_pattern"]) {
        expect(is[key]).toEqual(was[key]);
      }
    },
  );

  it.each(entries)(
    "$name merged: the adapter that llama.cpp applies gives the same logits",
    async (entry) => {
      const loaded = await loadLlama();
      if ("reason" in loaded) return expect(loaded.reason).not.toBe("");
      const { name, adapter, base } = entry;
      const [plain, merged] = ["plain", "merged"].map((text) => join(folder, `${name}-${text}.gguf`));
      expect(await requant("convert", base, plain ?? "", "--to", "gguf:f32")).toMatchObject({ status: 0 });
      const words = ["merge-lora", base, adapter, merged ?? "", "--to", "gguf:f32"];
      expect(await requant(...words)).toMatchObject({ status: 0 });
      const ids = [3, 17, 40, 99, 5, 61, 23, 8];
      const lora = join(folder, `${name}-f32.gguf`);
      const own = await withModel(loaded.llama, merged ?? "", (model) => lastLogits(model, ids));
      const theirs = await withModel(loaded.llama, plain ?? "", (model) => lastLogits(model, ids, lora));
      const without = await withModel(loaded.llama, plain ?? "", (model) => lastLogits(model, ids));
      const { worst, largest } = difference(own, theirs);
      expect(largest).toBeGreaterThan(0);
      expect(worst).toBeLessThan(2e-4 * largest);
      // and the adapter does change them
      expect(difference(without, theirs).worst).toBeGreaterThan(20 * worst);
    },
  );
});

async function lastLogits(model: LlamaModel, ids: readonly number[], lora?: string): Promise<Float64Array> {
  const context = await model.createContext({
    contextSize: 64,
    batchSize: 64,
    threads: 1,
    flashAttention: false,
    experimentalKvCacheKeyType: "F32",
    experimentalKvCacheValueType: "F32",
    ...(lora === undefined ? {} : { lora: { adapters: [{ filePath: lora }] } }),
  });
  try {
    const last = ids.length - 1;
    const results = await context
      .getSequence()
      .controlledEvaluate(
        ids.map((id, i) => (i === last ? [id as Token, { generateNext: { logits: true } }] : (id as Token))),
      );
    const logits = results[last]?.next.logits ?? new Map<Token, number>();
    const out = new Float64Array(logits.size);
    for (const [id, value] of logits) out[id] = value;
    return out;
  } finally {
    await context.dispose();
  }
}

/** Numbers in -1..1 that f32 holds, always the same. */
function numbers(count: number, seed: number): Float32Array {
  return Float32Array.from(
    { length: count },
    (_, i) => (((i + 1) * 2654435761 + seed * 40503) % 2001) / 1000 - 1,
  );
}

interface Factor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

const prefix = "base_model.model.model.layers";
const q = "self_attn.q_proj";

/** An adapter of the bundled model: rank 3 on q of layer 0, rank 2 on down of layer 1, an embedding of rank 4. */
const factors: Readonly<Record<string, Factor>> = {
  [`${prefix}.0.${q}.lora_A.weight`]: { shape: [3, 256], values: numbers(768, 1) },
  [`${prefix}.0.${q}.lora_B.weight`]: { shape: [256, 3], values: numbers(768, 2) },
  [`${prefix}.1.mlp.down_proj.lora_A.weight`]: { shape: [2, 512], values: numbers(1024, 3) },
  [`${prefix}.1.mlp.down_proj.lora_B.weight`]: { shape: [256, 2], values: numbers(512, 4) },
  "base_model.model.model.embed_tokens.lora_embedding_A": { shape: [4, 1024], values: numbers(4096, 5) },
  "base_model.model.model.embed_tokens.lora_embedding_B": { shape: [256, 4], values: numbers(1024, 6) },
};

function safetensorsOf(tensors: Readonly<Record<string, Factor>>): Uint8Array {
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    header[name] = { dtype: "F32", shape, data_offsets: [end, end + values.byteLength] };
    end += values.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new DataView(new ArrayBuffer(8));
  length.setBigUint64(0, BigInt(text.length), true);
  const data = Object.values(tensors).map(({ values }) => new Uint8Array(values.buffer));
  return Buffer.concat([new Uint8Array(length.buffer), text, ...data]);
}

async function adapterFolder(
  name: string,
  config: object,
  tensors: Readonly<Record<string, Factor>> = factors,
): Promise<string> {
  const path = join(folder, name);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, "adapter_model.safetensors"), safetensorsOf(tensors));
  await writeFile(join(path, "adapter_config.json"), JSON.stringify({ peft_type: "LORA", ...config }));
  return path;
}

/** W + scale × (B A), or its transpose, rounded to f32 once. */
function merged(
  weight: Float32Array,
  a: Factor,
  b: Factor,
  scale: number,
  isTransposed = false,
): Float32Array {
  const [rank = 0, into = 0] = a.shape;
  const out = Float32Array.from(weight);
  for (let row = 0; row < (b.shape[0] ?? 0); row++) {
    for (let column = 0; column < into; column++) {
      let sum = 0;
      for (let i = 0; i < rank; i++) {
        sum += (b.values[row * rank + i] ?? Number.NaN) * (a.values[i * into + column] ?? Number.NaN);
      }
      const at = isTransposed ? column * (b.shape[0] ?? 0) + row : row * into + column;
      out[at] = (weight[at] ?? Number.NaN) + scale * sum;
    }
  }
  return out;
}

const [qA, qB, downA, downB, embedA, embedB] = Object.values(factors) as [
  Factor,
  Factor,
  Factor,
  Factor,
  Factor,
  Factor,
];
const touched = [
  "model.layers.0.self_attn.q_proj.weight",
  "model.layers.1.mlp.down_proj.weight",
  "model.embed_tokens.weight",
];

describe("an adapter merged into the bundled model", () => {
  const scaled = [
    { text: "alpha / rank", config: { r: 3, lora_alpha: 6 }, scales: [2, 3, 1.5] },
    {
      text: "rank-stabilized",
      config: { r: 3, lora_alpha: 6, use_rslora: true },
      scales: [6 / Math.sqrt(3), 6 / Math.sqrt(2), 3],
    },
    {
      text: "alpha by pattern",
      config: {
        r: 3,
        lora_alpha: 6,
        alpha_pattern: { "layers\\.1\\.mlp\\.down_proj": 5, "^model.embed_tokens": 12 },
      },
      scales: [2, 2.5, 3],
    },
  ];

  it.each(scaled)("adds the product of the factors: $text", async ({ text, config, scales }) => {
    const adapter = await adapterFolder(`adapter ${text.replace("/", "by")}`, config);
    const out = join(folder, `merged-${scales.join("-")}`);
    const words = ["merge-lora", kjv, adapter, out, "--to", "safetensors:f32", "--json"];
    const { status, out: report } = await requant(...words);
    expect(status).toBe(0);
    const base = await allNumbers(kjv);
    const made = await allNumbers(out);
    const expected = new Map(base);
    const put = (index: number, a: Factor, b: Factor): void => {
      const name = touched[index] ?? "";
      const weight = base.get(name) ?? new Float32Array(0);
      expected.set(name, merged(weight, a, b, scales[index] ?? Number.NaN, index === 2));
    };
    put(0, qA, qB);
    put(1, downA, downB);
    put(2, embedA, embedB);
    expect(made.size).toBe(base.size);
    for (const [name, values] of expected) {
      const { worst, largest } = difference(made.get(name) ?? [], values);
      // alpha / rank is rounded once more than √: one unit of f32
      expect(worst, name).toBeLessThanOrEqual(touched.includes(name) ? largest * 2 ** -23 : 0);
    }
    const { notes, tensors } = JSON.parse(report);
    const found = notes.find(({ code }: { code: string }) => code === "merged");
    for (const name of touched) expect(found.message).toContain(name);
    const changed = tensors.filter(({ reason }: { reason?: string }) => reason?.includes("LoRA"));
    expect(changed.map(({ name }: { name: string }) => name).sort()).toEqual([...touched].sort());
  });

  it("keeps the bytes of all other weights", async () => {
    const adapter = await adapterFolder("adapter-copy", { r: 3, lora_alpha: 6 });
    const out = join(folder, "merged-bf16");
    const words = ["merge-lora", kjv, adapter, out, "--to", "safetensors:bf16"];
    expect(await requant(...words)).toMatchObject({ status: 0 });
    const bytesOf = (path: string): Promise<Map<string, string>> =>
      opened(path, async (model) => {
        const hashes = new Map<string, string>();
        for (const { name, byteLength } of model.tensors) {
          const bytes = await model.readBytes(name, 0, byteLength);
          hashes.set(name, createHash("sha256").update(bytes).digest("hex"));
        }
        return hashes;
      });
    const [was, is] = [await bytesOf(kjv), await bytesOf(out)];
    const differing = [...was].flatMap(([name, hash]) => (is.get(name) === hash ? [] : [name]));
    expect(differing.sort()).toEqual([...touched].sort());
  });

  it("goes on after Ctrl-C with --resume, to the same bytes", async () => {
    const adapter = await adapterFolder("adapter-resumed", { r: 3, lora_alpha: 6 });
    const [whole, stopped] = ["whole.gguf", "stopped.gguf"].map((name) => join(folder, name)) as [
      string,
      string,
    ];
    const run = ["merge-lora", kjv, adapter];
    expect(await requant(...run, whole, "--to", "gguf:q8_0")).toMatchObject({ status: 0 });
    const { status, err } = await interrupted(0, ...run, stopped, "--to", "gguf:q8_0");
    expect(err).toContain("--resume");
    expect(status).toBe(130);
    expect(existsSync(stopped)).toBe(false);
    const resumed = await requant(...run, stopped, "--to", "gguf:q8_0", "--jobs", "2", "--resume");
    expect(resumed).toMatchObject({ status: 0 });
    expect(Buffer.compare(readFileSync(stopped), readFileSync(whole))).toBe(0);
  });

  it("is the same by way of GGUF on either side", async () => {
    const adapter = await adapterFolder("adapter-sides", { r: 3, lora_alpha: 6 });
    const [base, lora, direct] = ["base", "lora", "direct"].map((name) => join(folder, `${name}.gguf`)) as [
      string,
      string,
      string,
    ];
    const run = async (...words: string[]): Promise<void> => {
      expect(await requant(...words)).toMatchObject({ status: 0 });
    };
    await run("convert", kjv, base, "--to", "gguf:f32");
    await run("convert", adapter, lora, "--to", "gguf:f32", "--base", kjv);
    await run("merge-lora", kjv, adapter, direct, "--to", "gguf:f32");
    const expected = await allNumbers(direct);
    const pairs = [
      [base, adapter],
      [base, lora],
      [kjv, lora],
    ] as const;
    for (const [index, [model, update]] of pairs.entries()) {
      const made = join(folder, `by-${index}.gguf`);
      await run("merge-lora", model, update, made, "--to", "gguf:f32");
      expect(await allNumbers(made)).toEqual(expected);
    }
  });

  it("leaves codes of untouched weights of a quantized model as they are", async () => {
    const adapter = await adapterFolder("adapter-packed", { r: 3, lora_alpha: 6 });
    const packed = join(folder, "packed.gguf");
    const out = join(folder, "packed-merged.gguf");
    expect(await requant("convert", kjv, packed, "--to", "gguf:q8_0")).toMatchObject({ status: 0 });
    const words = ["merge-lora", packed, adapter, out, "--to", "gguf:q8_0", "--allow-requantize", "--json"];
    const { status, out: report } = await requant(...words);
    expect(status).toBe(0);
    const kept: string[] = JSON.parse(report)
      .tensors.filter(({ fidelity }: { fidelity: string }) => fidelity === "copy")
      .map(({ name }: { name: string }) => name);
    expect(kept).toContain("blk.0.attn_k.weight");
    expect(kept).not.toContain("blk.0.attn_q.weight");
  });
});

describe("an adapter merged into a packed model", () => {
  it("keeps the codes of the other weights; the changed ones are floats unless they are to be packed again", async () => {
    const adapter = await adapterFolder("adapter-gptq", { r: 3, lora_alpha: 6 });
    const packed = join(folder, "gptq");
    expect(await requant("convert", kjv, packed, "--to", "gptq:4bit-128g-sym")).toMatchObject({ status: 0 });
    for (const [more, changed] of [
      [[], "F32"],
      [["--requantize-rest"], "GPTQ-4bit-128g"],
    ] as const) {
      const out = join(folder, `gptq-merged-${more.length}`);
      const words = ["merge-lora", packed, adapter, out, "--to", "gptq:4bit-128g-sym", ...more, "--json"];
      const { status, out: report } = await requant(...words);
      expect(status).toBe(0);
      const { tensors }: { tensors: { name: string; to: string; fidelity: string }[] } = JSON.parse(report);
      const [q, k] = ["q", "k"].map((part) =>
        tensors.find(({ name }) => name === `model.layers.0.self_attn.${part}_proj.weight`),
      );
      expect(k).toMatchObject({ fidelity: "copy" });
      expect(q?.to).toBe(changed);
    }
  });
});

describe("adapters that are refused", () => {
  const whole = { "base_model.model.lm_head.weight": { shape: [1024, 256], values: numbers(262144, 7) } };
  const cases = [
    { text: "DoRA", config: { use_dora: true }, tensors: factors, message: /DoRA/ },
    { text: "another kind", config: { peft_type: "LOHA" }, tensors: factors, message: /LOHA/ },
    {
      text: "a factor alone",
      config: {},
      tensors: { [`${prefix}.0.${q}.lora_A.weight`]: qA },
      message: /only one of its two factors/,
    },
    {
      text: "factors of two ranks",
      config: {},
      tensors: { [`${prefix}.0.${q}.lora_A.weight`]: qA, [`${prefix}.0.${q}.lora_B.weight`]: downB },
      message: /do not fit each other/,
    },
    {
      text: "a pattern that is no expression",
      config: { alpha_pattern: { "(": 1 } },
      tensors: factors,
      message: /adapter_config\.json|regular expression|pattern|group/i,
    },
  ];

  it.each(cases)("$text", async ({ text, config, tensors, message }) => {
    const adapter = await adapterFolder(`refused ${text}`, config, tensors);
    const { status, err } = await requant(
      "merge-lora",
      kjv,
      adapter,
      join(folder, "no"),
      "--to",
      "safetensors:f32",
    );
    expect(status).not.toBe(0);
    expect(err).toMatch(message);
  });

  it("a weight of another shape, and a name that the base model does not have", async () => {
    for (const [name, rows] of [
      [q, 128],
      ["self_attn.other", 256],
    ] as const) {
      const adapter = await adapterFolder(
        `misfit ${name}`,
        {},
        {
          [`${prefix}.0.${name}.lora_A.weight`]: qA,
          [`${prefix}.0.${name}.lora_B.weight`]: { shape: [rows, 3], values: numbers(rows * 3, 8) },
        },
      );
      const { status, err } = await requant(
        "merge-lora",
        kjv,
        adapter,
        join(folder, "no"),
        "--to",
        "gguf:f16",
      );
      expect(status).not.toBe(0);
      expect(err).toMatch(/does not fit the base model/);
    }
  });

  it("to GGUF: several alphas, and a tensor that was trained whole", async () => {
    const several = await adapterFolder("several", { lora_alpha: 4, alpha_pattern: { q_proj: 9 } });
    const trained = await adapterFolder("trained", {}, { ...factors, ...whole });
    for (const [adapter, message] of [
      [several, /one alpha/],
      [trained, /holds output\.weight whole/],
    ] as const) {
      const words = ["convert", adapter, join(folder, "no.gguf"), "--to", "gguf:f16", "--base", kjv];
      const { status, err } = await requant(...words);
      expect(status).not.toBe(0);
      expect(err).toMatch(message);
    }
    const out = join(folder, "with-head");
    expect(await requant("merge-lora", kjv, trained, out, "--to", "safetensors:f32")).toMatchObject({
      status: 0,
    });
    expect((await allNumbers(out)).get("lm_head.weight")).toEqual(
      whole["base_model.model.lm_head.weight"].values,
    );
  });

  it("without a base model, or with one that is not needed", async () => {
    const adapter = await adapterFolder("alone", {});
    const alone = await requant("convert", adapter, join(folder, "no.gguf"), "--to", "gguf:f16");
    expect(alone.status).not.toBe(0);
    expect(alone.err).toMatch(/--base MODEL/);
    const needless = await requant(
      "convert",
      kjv,
      join(folder, "no.gguf"),
      "--to",
      "gguf:f16",
      "--base",
      kjv,
    );
    expect(needless.status).not.toBe(0);
    expect(needless.err).toMatch(/base model of an adapter/);
    const swapped = await requant("merge-lora", adapter, kjv, join(folder, "no.gguf"), "--to", "gguf:f16");
    expect(swapped.err).toMatch(/base model first/);
  });
});

/** Packed directories through other formats and back: the same codes, byte for byte where the layout is the same. */
import { type MemoryStore, memoryStore } from "@requant/core";
import { describe, expect, test } from "vitest";
import { openModel, parseTarget, planConversion, runPlan, verifyModels } from "../../src/index.ts";
import { exl2Directory, packedDirectory } from "./packed-models.ts";

async function converted(
  store: MemoryStore,
  target: string,
): Promise<{ store: MemoryStore; file: string | undefined }> {
  const file = [...store.files.keys()].find((name) => name.endsWith(".gguf"));
  const model = await openModel({ store, file });
  const out = memoryStore({ name: `${store.name}>${target.replace(":", "-")}` });
  const plan = await planConversion(model, parseTarget(target), { exact: true });
  await runPlan(plan, model, out);
  return { store: out, file: [...out.files.keys()].find((name) => name.endsWith(".gguf")) };
}

/** The stored parts of all packed weights. */
async function parts(store: MemoryStore): Promise<Record<string, Uint8Array>> {
  const model = await openModel({ store });
  const found: Record<string, Uint8Array> = {};
  for (const { linear } of model.tensors) {
    for (const { name, byteLength } of linear?.parts ?? []) {
      found[name] = (await model.readBytes(name, 0, byteLength)).slice();
    }
  }
  expect(Object.keys(found).length).toBeGreaterThan(0);
  return found;
}

async function sameWeights(a: MemoryStore, b: MemoryStore, file?: string): Promise<void> {
  const report = await verifyModels(await openModel({ store: a }), await openModel({ store: b, file }));
  expect(report.tensors.filter(({ equal }) => !equal).map(({ name }) => name)).toEqual([]);
  expect(report.ok).toBe(true);
}

describe("there and back, identical codes", () => {
  test.each([
    ["awq", "gemm-128g", { bits: 4, groupSize: 128, sym: false }, ["gptq:4bit-128g-asym", "awq:gemm-128g"]],
    [
      "awq",
      "gemm-32g",
      { bits: 4, groupSize: 32, sym: false },
      ["gptq:4bit-32g-asym", "compressed-tensors:4bit-32g-asym", "awq:gemv-32g", "awq:gemm-32g"],
    ],
    [
      "gptq",
      "4bit-128g-asym-v1",
      { bits: 4, groupSize: 128, sym: false, minZero: 1 },
      ["compressed-tensors:4bit-128g-asym", "gptq:4bit-128g-asym-v1"],
    ],
    [
      "gptq",
      "3bit-64g-asym-v1",
      { bits: 3, groupSize: 64, sym: false, minZero: 1 },
      ["compressed-tensors:3bit-64g-asym", "gptq:3bit-64g-asym-v1"],
    ],
    [
      "gptq",
      "8bit-128g-sym-v1",
      { bits: 8, groupSize: 128, sym: true },
      ["compressed-tensors:8bit-128g-sym", "gptq:8bit-128g-sym-v1"],
    ],
    [
      "gptq",
      "4bit-128g-sym-v1",
      { bits: 4, groupSize: 128, sym: true },
      ["gptq:4bit-128g-sym-marlin", "gptq:4bit-128g-sym-v1"],
    ],
    [
      "gptq",
      "4bit-128g-sym-v1",
      { bits: 4, groupSize: 128, sym: true },
      ["gptq:4bit-128g-sym-v2", "awq:marlin-128g", "gptq:4bit-128g-sym-v1"],
    ],
    [
      "gptq",
      "4bit-128g-sym-v1",
      { bits: 4, groupSize: 128, sym: true, actOrder: true },
      ["compressed-tensors:4bit-128g-sym", "gptq:4bit-128g-sym-v1"],
    ],
    [
      "gptq",
      "6bit-32g-sym-planar",
      { bits: 6, groupSize: 32, sym: true },
      ["compressed-tensors:6bit-32g-sym", "gptq:6bit-32g-sym-planar"],
    ],
  ] as const)("%s:%s %j through %j", async (format, words, options, targets) => {
    const source = await packedDirectory(format, words.split("-"), options);
    let store = source;
    for (const target of targets) {
      ({ store } = await converted(store, target));
      await sameWeights(source, store);
    }
    expect(await parts(store)).toEqual(await parts(source));
  });

  test("GPTQ 4-bit sym → Q4_0 → GPTQ with groups of 32 keeps every value", async () => {
    const source = await packedDirectory("gptq", ["4bit", "128g", "sym", "v1"], {
      bits: 4,
      groupSize: 128,
      sym: true,
    });
    const gguf = await converted(source, "gguf:auto");
    const model = await openModel({ store: gguf.store, file: gguf.file });
    expect(model.tensor("blk.0.attn_q.weight").encoding).toBe("Q4_0");
    await sameWeights(source, gguf.store, gguf.file);
    const back = await converted(gguf.store, "gptq:4bit-32g-sym");
    await sameWeights(source, back.store);
  });

  test("negative scales, as ggml writes them, survive", async () => {
    const source = await packedDirectory("gptq", ["4bit", "32g", "sym", "v1"], {
      bits: 4,
      groupSize: 32,
      sym: true,
      negativeScales: true,
    });
    const gguf = await converted(source, "gguf:auto");
    await sameWeights(source, gguf.store, gguf.file);
    const back = await converted(gguf.store, "gptq:4bit-32g-sym-v1");
    expect(await parts(back.store)).toEqual(await parts(source));
  });

  test("AWQ → Q5_0 is exact for all 16 zero points", async () => {
    const source = await packedDirectory("awq", ["gemm", "64g"], { bits: 4, groupSize: 64, sym: false });
    const model = await openModel({ store: source });
    const examined = await model.weight("model.layers.0.mlp.up_proj.weight").packed?.examine();
    expect(examined?.facts).toMatchObject({ minZero: 0, maxZero: 15 });
    const gguf = await converted(source, "gguf:auto");
    const made = await openModel({ store: gguf.store, file: gguf.file });
    expect(made.tensor("blk.0.ffn_up.weight").encoding).toBe("Q5_0");
    await sameWeights(source, gguf.store, gguf.file);
    const back = await converted(gguf.store, "awq:gemm-32g");
    await sameWeights(source, back.store);
  });

  test.each([
    ["2bit", "Q2_K"],
    ["3bit", "Q3_K"],
    ["4bit", "Q4_0"],
    ["5bit", "Q5_0"],
    ["6bit", "Q6_K"],
    ["8bit", "Q8_0"],
  ])("one symmetric group of %s per row becomes %s, exactly", async (bits, type) => {
    const source = await packedDirectory("gptq", [bits, "colg", "sym"], {
      bits: Number(bits[0]),
      groupSize: -1,
      sym: true,
    });
    const gguf = await converted(source, "gguf:auto");
    const made = await openModel({ store: gguf.store, file: gguf.file });
    expect(made.tensor("blk.0.attn_k.weight").encoding).toBe(type);
    await sameWeights(source, gguf.store, gguf.file);
  });

  test("4-bit asymmetric groups of 256 become Q4_K, exactly", async () => {
    const source = await packedDirectory("gptq", ["4bit", "256g", "asym", "v2"], {
      bits: 4,
      groupSize: 256,
      sym: false,
    });
    const gguf = await converted(source, "gguf:auto");
    const made = await openModel({ store: gguf.store, file: gguf.file });
    expect(made.tensor("blk.0.ffn_down.weight").encoding).toBe("Q4_K");
    await sameWeights(source, gguf.store, gguf.file);
  });

  test.each([[[4, 4], true] as const, [[6, 4, 3, 2], true] as const, [[8, 5], false] as const])(
    "EXL2 %j (permuted: %j) → GPTQ 8-bit is exact in f16, and F16 holds it",
    async (widths, permuted) => {
      const source = await exl2Directory(widths, permuted);
      const gptq = await converted(source, "gptq:8bit-128g-sym");
      const report = await verifyModels(
        await openModel({ store: source }),
        await openModel({ store: gptq.store }),
      );
      expect(report.ok).toBe(true);
      expect(report.tensors.filter(({ comparedIn }) => comparedIn === "f16")).toHaveLength(7);
      const half = await converted(source, "gguf:f16");
      await sameWeights(source, half.store, half.file);
      const copy = await converted(source, "exl2:4.2bpw-h16");
      expect(await parts(copy.store)).toEqual(await parts(source));
    },
  );
});

describe("--exact", () => {
  test.each([
    [
      "gptq:4bit-128g-sym act-order → gguf:q4_0",
      { actOrder: true, sym: true },
      "gguf:q4_0",
      /act-order mixes groups inside each block of 32 columns/,
    ],
    [
      "gptq:4bit-128g-sym act-order → awq",
      { actOrder: true, sym: true },
      "awq:gemm-128g",
      /act-order mixes groups inside each block of 128 columns/,
    ],
    ["gptq:4bit-128g-asym → gptq sym", { sym: false }, "gptq:4bit-128g-sym", /codes minus zero points reach/],
    [
      "gptq:4bit-128g-asym → groups of 256",
      { sym: false },
      "gptq:4bit-256g-asym",
      /groups of 128 columns are smaller than the 256/,
    ],
    [
      "gptq:4bit-128g-asym → q4_1",
      { sym: false },
      "gguf:q4_1",
      /stores scale × zero point as one f16 number/,
    ],
    ["gptq:4bit-128g-asym → exl2", { sym: false }, "exl2:4.5bpw-h16", /EXL2's scales are squares/],
  ] as const)("%s is refused in words, with what would do", async (_name, options, target, reason) => {
    const source = await packedDirectory("gptq", ["4bit", "128g", options.sym ? "sym" : "asym"], {
      bits: 4,
      groupSize: 128,
      ...options,
      minZero: 1,
    });
    const model = await openModel({ store: source });
    const refusal = planConversion(model, parseTarget(target), { exact: true });
    await expect(refusal).rejects.toMatchObject({
      code: "CONVERSION",
      message: expect.stringMatching(reason),
    });
    await expect(refusal).rejects.toMatchObject({ hint: expect.stringMatching(/safetensors:f32/) });
  });
});

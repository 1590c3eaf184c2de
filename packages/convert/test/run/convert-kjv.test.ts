/** The bundled trained model, against what llama.cpp made of it (fixtures/kjv/reference.json). */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type MemoryStore, type MetadataValue, memorySource, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { readGguf } from "@requant/gguf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import {
  hashModel,
  inspectModel,
  type Model,
  openModel,
  parseTarget,
  planConversion,
  runPlan,
  verifyModels,
} from "../../src/index.ts";

const kjv = fileURLToPath(new URL("../../../../fixtures/kjv/", import.meta.url));
const reference = z
  .object({
    files: z.array(
      z.object({
        target: z.string(),
        converter: z.boolean().optional(),
        imatrix: z.boolean(),
        sha256: z.string(),
        tensors: z.array(z.tuple([z.string(), z.string(), z.string()])),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(`${kjv}reference.json`, "utf8")));

/** The reference files were made with `--model-name kjv-tiny-llama`. */
const set = new Map<string, MetadataValue>([["general.name", { type: "string", value: "kjv-tiny-llama" }]]);

function referenceOf(target: string, converter: boolean): (typeof reference.files)[number] {
  const found = reference.files.find(
    (file) => file.target === target && !file.imatrix && (file.converter === true) === converter,
  );
  if (found === undefined) throw new Error(`no reference for ${target}`);
  return found;
}

function sha256(bytes: Uint8Array | undefined): string {
  return createHash("sha256")
    .update(bytes ?? new Uint8Array(0))
    .digest("hex");
}

async function convert(model: Model, target: string, outputName = "kjv"): Promise<MemoryStore> {
  const output = memoryStore({ name: `out-${target}` });
  const options = target.startsWith("gguf") ? { outputName, set } : {};
  await runPlan(await planConversion(model, parseTarget(target), options), model, output);
  return output;
}

let source: Model;
let bf16: MemoryStore;
beforeAll(async () => {
  source = await openModel({ store: directoryStore(`${kjv}hf`) });
  bf16 = await convert(source, "gguf:bf16");
});
afterAll(() => source.close());

describe("HF → GGUF", () => {
  it.each(["BF16", "F16"])("%s is llama.cpp's converter's file, byte for byte", async (type) => {
    const output = await convert(source, `gguf:${type}`);
    expect(sha256(output.files.get("kjv.gguf"))).toBe(referenceOf(type, true).sha256);
  });

  it.each(["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K_M", "Q6_K", "Q2_K", "MXFP4_MOE"])(
    "%s in one pass is llama-quantize's file of the converter's BF16, byte for byte",
    async (type) => {
      const output = await convert(source, `gguf:${type}`);
      expect(sha256(output.files.get("kjv.gguf"))).toBe(referenceOf(type, false).sha256);
    },
  );

  it("Q8_0 has llama-quantize's tensors, in the converter's order", async () => {
    const bytes = (await convert(source, "gguf:q8_0")).files.get("kjv.gguf") ?? new Uint8Array(0);
    const { tensors } = await readGguf(memorySource(bytes));
    const found = tensors.map(({ name, encoding, byteOffset, byteLength }) => [
      name,
      encoding,
      sha256(bytes.subarray(byteOffset, byteOffset + byteLength)),
    ]);
    expect(found.toSorted()).toEqual(referenceOf("Q8_0", false).tensors.toSorted());
    expect(tensors.map(({ name }) => name)).toEqual(referenceOf("BF16", true).tensors.map(([name]) => name));
  });
});

describe("GGUF → GGUF", () => {
  it.each(["Q8_0", "Q4_0", "F32", "F16", "BF16"])(
    "%s is llama-quantize's file, byte for byte",
    async (type) => {
      const model = await openModel({ store: bf16, file: "kjv.gguf" });
      const output = memoryStore({ name: "out" });
      await runPlan(
        await planConversion(model, parseTarget(`gguf:${type}`), { outputName: "q" }),
        model,
        output,
      );
      expect(sha256(output.files.get("q.gguf"))).toBe(referenceOf(type, false).sha256);
    },
  );
});

describe("HF → GGUF → HF", () => {
  it("gives every tensor back, byte for byte, and an equivalent config", async () => {
    const model = await openModel({ store: bf16, file: "kjv.gguf" });
    const output = await convert(model, "safetensors:bf16");
    const back = await openModel({ store: output });
    expect(back.tensors.map(({ name }) => name).toSorted()).toEqual(
      source.tensors.map(({ name }) => name).toSorted(),
    );
    for (const { name, byteLength, encoding, shape } of source.tensors) {
      expect(back.tensor(name)).toMatchObject({ byteLength, encoding, shape });
      expect(await back.readBytes(name, 0, byteLength), name).toEqual(
        await source.readBytes(name, 0, byteLength),
      );
    }
    const [before, after] = [source.hf?.config ?? {}, back.hf?.config ?? {}];
    for (const key of [
      ...[
        "architectures",
        "model_type",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
      ],
      ...[
        "num_key_value_heads",
        "head_dim",
        "max_position_embeddings",
        "rms_norm_eps",
        "vocab_size",
        "tie_word_embeddings",
      ],
      ...["bos_token_id", "eos_token_id"],
    ]) {
      expect(after[key], key).toEqual(before[key]);
    }
    // and the same GGUF again from what came back
    const again = await convert(back, "gguf:bf16");
    const files = [bf16, again].map((store) => store.files.get("kjv.gguf") ?? new Uint8Array(0));
    const [first, second] = await Promise.all(files.map((bytes) => readGguf(memorySource(bytes))));
    expect(second?.tensors.map(({ name }) => name)).toEqual(first?.tensors.map(({ name }) => name));
    expect([...(second?.metadata ?? [])].filter(([key]) => key.startsWith("llama."))).toEqual(
      [...(first?.metadata ?? [])].filter(([key]) => key.startsWith("llama.")),
    );
  });
});

describe("verify and hash across formats", () => {
  it("find the GGUF equal to its source, through the row permutation", async () => {
    const model = await openModel({ store: bf16, file: "kjv.gguf" });
    const report = await verifyModels(source, model);
    expect(report).toMatchObject({ equal: true, onlyInA: [], onlyInB: [] });
    expect(report.tensors).toHaveLength(source.tensors.length);
    expect((await verifyModels(model, source)).equal).toBe(true);
    expect((await hashModel(source, { values: true })).values).toEqual(
      (await hashModel(model, { values: true })).values,
    );
  });

  it("names permuted rows where the permutation was forgotten", async () => {
    // a GGUF with the checkpoint's own row order: what a converter without the permutation writes
    const plan = await planConversion(source, parseTarget("gguf:bf16"), { outputName: "wrong" });
    const broken = {
      ...plan,
      tensors: plan.tensors.map((tensor) => ({
        ...tensor,
        inputs: tensor.inputs.map((input) => ("tensor" in input ? { tensor: input.tensor } : input)),
      })),
    };
    const output = memoryStore({ name: "wrong" });
    await runPlan(broken, source, output);
    const report = await verifyModels(source, await openModel({ store: output, file: "wrong.gguf" }));
    const wrong = report.tensors.filter(({ equal }) => !equal);
    expect(wrong.map(({ name }) => name).toSorted()).toEqual(
      [0, 1, 2].flatMap((layer) => [`blk.${layer}.attn_k.weight`, `blk.${layer}.attn_q.weight`]),
    );
    for (const { diagnosis } of wrong) expect(diagnosis?.message).toMatch(/^Rows permuted/);
  });
});

describe("safetensors → safetensors", () => {
  it("keeps side files, changes the dtype, and writes shards with an index", async () => {
    const output = memoryStore({ name: "f32" });
    const plan = await planConversion(source, parseTarget("safetensors:f32"), {
      shardSize: 3_000_000,
      exact: true,
    });
    await runPlan(plan, source, output);
    expect([...output.files.keys()]).toContain("model.safetensors.index.json");
    expect(output.files.get("tokenizer.json")).toEqual(
      new Uint8Array(readFileSync(`${kjv}hf/tokenizer.json`)),
    );
    const back = await openModel({ store: output });
    expect(back.files.length).toBeGreaterThan(1);
    expect(back.hf?.config?.["dtype"]).toBe("float32");
    expect((await verifyModels(source, back)).equal).toBe(true);
  });
});

describe("quantized GGUF → HF", () => {
  it("dequantizes to the dtype asked: exactly into f32, rounded into f16", async () => {
    const quantized = await convert(source, "gguf:q4_0");
    const model = await openModel({ store: quantized, file: "kjv.gguf" });
    const f32 = await convert(model, "safetensors:f32");
    expect((await verifyModels(model, await openModel({ store: f32 }))).equal).toBe(true);
    const output = memoryStore({ name: "f16" });
    const report = await runPlan(await planConversion(model, parseTarget("safetensors:f16")), model, output);
    expect(report.fidelity).toMatchObject({ exact: 7, float: 23, rounded: 0 });
    const embedding = report.tensors.find(({ name }) => name === "model.embed_tokens.weight");
    // Q4_0 is an f16 scale times a code of 4 bits: at most 15 bits of significand, so f16 is off by under 2^-11
    expect(embedding?.maxAbsError).toBeLessThan(2 ** -11);
    await expect(
      planConversion(model, parseTarget("safetensors:f16"), { exact: true }),
    ).rejects.toMatchObject({
      code: "CONVERSION",
    });
    await expect(planConversion(model, parseTarget("safetensors:copy"))).rejects.toMatchObject({
      code: "USAGE",
    });
  });
});

describe("--like", () => {
  it("takes metadata and tokenizer from a reference when the tokenizer cannot be mapped", async () => {
    const store = memoryStore({ name: "hf" });
    for (const name of ["config.json", "model.safetensors"]) {
      store.files.set(name, new Uint8Array(readFileSync(`${kjv}hf/${name}`)));
    }
    const bare = await openModel({ store });
    await expect(planConversion(bare, parseTarget("gguf:q8_0"))).rejects.toMatchObject({
      hint: expect.stringContaining("`like`"),
    });
    const like = await openModel({ store: bf16, file: "kjv.gguf" });
    const output = memoryStore({ name: "like" });
    await runPlan(
      await planConversion(bare, parseTarget("gguf:q8_0"), { like, outputName: "kjv" }),
      bare,
      output,
    );
    const made = await openModel({ store: output, file: "kjv.gguf" });
    expect(made.gguf?.metadata.get("general.file_type")).toEqual({ type: "u32", value: 7 });
    expect(made.gguf?.metadata.get("tokenizer.ggml.tokens")?.type).toBe("array");
    expect((await verifyModels(source, made, { tolerance: 0.02 })).ok).toBe(true);
    await expect(planConversion(bare, parseTarget("gguf:q8_0"), { like: source })).rejects.toMatchObject({
      code: "USAGE",
    });
  });
});

describe("checkpoints that cannot be converted", () => {
  const config = (extra: object): Uint8Array =>
    new TextEncoder().encode(
      JSON.stringify({ ...JSON.parse(readFileSync(`${kjv}hf/config.json`, "utf8")), ...extra }),
    );

  it("a safetensors file alone has no config, yet its dtype can change", async () => {
    const store = memoryStore({ name: "alone" });
    store.files.set("model.safetensors", new Uint8Array(readFileSync(`${kjv}hf/model.safetensors`)));
    const alone = await openModel({ store, file: "model.safetensors" });
    await expect(planConversion(alone, parseTarget("gguf:f16"))).rejects.toMatchObject({
      code: "CONVERSION",
      hint: expect.any(String),
    });
    const output = memoryStore({ name: "f32" });
    await runPlan(await planConversion(alone, parseTarget("safetensors:f32")), alone, output);
    expect([...output.files.keys()]).toEqual(["model.safetensors"]);
  });

  it("an unknown class is refused with the way out", async () => {
    const store = memoryStore({ name: "unknown" });
    store.files.set("model.safetensors", new Uint8Array(readFileSync(`${kjv}hf/model.safetensors`)));
    store.files.set("config.json", config({ architectures: ["NobodyForCausalLM"], model_type: "nobody" }));
    const model = await openModel({ store });
    await expect(planConversion(model, parseTarget("gguf:f16"))).rejects.toMatchObject({
      hint: expect.stringContaining("`like`"),
    });
  });

  it("a config that is no JSON, and an index that names a missing shard", async () => {
    const store = memoryStore({ name: "broken" });
    store.files.set("model.safetensors", new Uint8Array(readFileSync(`${kjv}hf/model.safetensors`)));
    store.files.set("config.json", new TextEncoder().encode("{"));
    await expect(openModel({ store })).rejects.toMatchObject({ code: "FORMAT" });
    const sharded = memoryStore({ name: "sharded" });
    const plan = await planConversion(source, parseTarget("safetensors:bf16"), { shardSize: 2_000_000 });
    await runPlan(plan, source, sharded);
    sharded.files.delete([...sharded.files.keys()].find((name) => name.includes("-00002-of-")) ?? "");
    await expect(openModel({ store: sharded })).rejects.toMatchObject({ code: "IO" });
  });
});

describe("exact", () => {
  it("refuses before anything is written", async () => {
    await expect(planConversion(source, parseTarget("gguf:q8_0"), { exact: true })).rejects.toMatchObject({
      code: "CONVERSION",
      message: expect.stringMatching(
        /tensors cannot become gguf:q8_0 exactly: .*\(BF16 → Q8_0: requantized\)/,
      ),
    });
    const plan = await planConversion(source, parseTarget("gguf:bf16"), { exact: true });
    expect(plan.tensors.every(({ fidelity }) => fidelity === "copy" || fidelity === "exact")).toBe(true);
    // the norms are F32 in a GGUF, and their values fit into bf16 again
    const model = await openModel({ store: bf16, file: "kjv.gguf" });
    const back = await planConversion(model, parseTarget("safetensors:bf16"), { exact: true });
    expect(back.tensors.find(({ name }) => name === "model.norm.weight")).toMatchObject({
      from: "F32",
      to: "BF16",
      fidelity: "exact",
    });
    // as do the F32 matrices of a bf16 model, looked at in full
    const f32 = await openModel({ store: await convert(source, "gguf:f32"), file: "kjv.gguf" });
    await planConversion(f32, parseTarget("gguf:bf16"), { exact: true });
    await expect(planConversion(f32, parseTarget("gguf:f16"), { exact: true })).rejects.toMatchObject({
      code: "CONVERSION",
    });
    // q and k move as bytes: whole rows in another order
    expect(plan.tensors.find(({ name }) => name === "blk.0.attn_q.weight")?.fidelity).toBe("copy");
  });
});

it("inspects the model from its headers", async () => {
  const inspection = await inspectModel(source);
  expect(inspection).toMatchObject({
    format: "safetensors",
    architecture: "LlamaForCausalLM",
    parameterCount: 2_295_552,
  });
  expect(inspection.measured.every(({ agrees }) => agrees)).toBe(true);
});

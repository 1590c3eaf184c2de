/** Every word of a request is used, named as not used, or refused. */
import { type MemoryStore, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { describe, expect, it } from "vitest";
import {
  type Model,
  openModel,
  type Plan,
  type PlanOptions,
  parseTarget,
  planConversion,
  planFakeQuantize,
  runFindings,
  runPlan,
  verifyModels,
} from "../../src/index.ts";
import { floatDirectory, packedDirectory } from "../run/packed-models.ts";

const DOWN = "model.layers.0.mlp.down_proj";

async function planOf(store: MemoryStore, target: string, options: PlanOptions = {}): Promise<Plan> {
  return planConversion(await openModel({ store }), parseTarget(target), options);
}

async function ggufOf(store: MemoryStore, target: string, options: PlanOptions = {}): Promise<Model> {
  const model = await openModel({ store });
  const out = memoryStore({ name: "out" });
  const plan = await planConversion(model, parseTarget(target), { ...options, outputName: "o" });
  await runPlan(plan, model, out, { imatrix: options.imatrix?.weights });
  return openModel({ store: out, file: "o.gguf" });
}

const typesOf = ({ tensors }: Plan): ReadonlyMap<string, string> =>
  new Map(tensors.map(({ name, to }) => [name, to]));

const unusedOf = ({ findings }: Plan): string[] =>
  findings.filter(({ code }) => code === "not-used").map(({ message }) => message);

const down = (type: string): PlanOptions => ({ tensorTypes: [{ pattern: "ffn_down", type }] });

describe("tensorTypes", () => {
  it("stores one weight of a GPTQ model as Q4_0 in a float file, exactly", async () => {
    const source = await packedDirectory("gptq", ["4bit", "128g", "sym"], {
      bits: 4,
      groupSize: 128,
      sym: true,
      packs: [DOWN],
    });
    const options = { ...down("Q4_0"), exact: true };
    // the other layers are BF16, which F16 does not hold
    for (const target of ["gguf:bf16", "gguf:f32", "gguf:auto"]) {
      const plan = await planOf(source, target, options).catch((error: unknown) => error);
      if (target === "gguf:bf16") {
        // norms, embeddings and head of this model are F16
        expect(plan).toMatchObject({ code: "CONVERSION" });
        continue;
      }
      const types = typesOf(plan as Plan);
      expect(types.get("blk.0.ffn_down.weight")).toBe("Q4_0");
      expect(types.get("blk.0.ffn_up.weight")).toBe(target === "gguf:f32" ? "F32" : "BF16");
    }
    const model = await ggufOf(source, "gguf:f32", options);
    expect((await verifyModels(await openModel({ store: source }), model)).equal).toBe(true);
  });

  it.each(["gguf:f16", "gguf:bf16", "gguf:f32", "gguf:q8_0", "gguf:auto", "gguf:q4_k_m"])(
    "holds under %s, from a checkpoint and from a GGUF",
    async (target) => {
      const source = await floatDirectory("BF16");
      expect(typesOf(await planOf(source, target, down("Q5_1"))).get("blk.0.ffn_down.weight")).toBe("Q5_1");
      const model = await ggufOf(source, "gguf:bf16");
      const plan = await planConversion(model, parseTarget(target), down("Q5_1"));
      expect(typesOf(plan).get("blk.0.ffn_down.weight")).toBe("Q5_1");
    },
  );

  it("changes nothing else of a float file", async () => {
    const source = await floatDirectory("BF16");
    const [plain, named] = [await planOf(source, "gguf:f16"), await planOf(source, "gguf:f16", down("Q4_0"))];
    const others = (plan: Plan): unknown =>
      plan.tensors.filter(({ name }) => name !== "blk.0.ffn_down.weight").map(({ name, to }) => [name, to]);
    expect(others(named)).toEqual(others(plain));
    expect(named.tensors.map(({ name }) => name)).toEqual(plain.tensors.map(({ name }) => name));
  });

  it("is refused where a pattern fits nothing, with the nearest names", async () => {
    const source = await floatDirectory("BF16");
    for (const target of ["gguf:f16", "gguf:q4_k_m", "gguf:auto"]) {
      await expect(
        planOf(source, target, { tensorTypes: [{ pattern: "layers.0.mlp.fnn_down", type: "Q4_0" }] }),
      ).rejects.toMatchObject({
        code: "USAGE",
        message: "The pattern layers.0.mlp.fnn_down of `tensorTypes` fits no tensor of the output.",
        hint: expect.stringContaining("The nearest names are blk.0.ffn_down.weight"),
      });
    }
  });

  it("is refused where a pattern fits only what is never quantized", async () => {
    await expect(
      planOf(await floatDirectory("BF16"), "gguf:q8_0", {
        tensorTypes: [{ pattern: "ffn_norm", type: "Q4_0" }],
      }),
    ).rejects.toMatchObject({ code: "USAGE", message: expect.stringContaining("kept: one-dimensional") });
  });

  it("names a pattern that an earlier one leaves without work", async () => {
    const plan = await planOf(await floatDirectory("BF16"), "gguf:q4_0", {
      tensorTypes: [
        { pattern: "ffn", type: "Q8_0" },
        { pattern: "ffn_down", type: "Q4_0" },
      ],
    });
    expect(typesOf(plan).get("blk.0.ffn_down.weight")).toBe("Q8_0");
    expect(unusedOf(plan)).toEqual([
      "The pattern ffn_down of `tensorTypes` decides nothing: another option has chosen the type of every tensor that it fits, blk.0.ffn_down.weight first.",
    ]);
  });

  it("does not turn a type into another where no other is known", async () => {
    const model = await openModel({ store: directoryStore("fixtures/arch/gemma-tiny") });
    await expect(
      planConversion(model, parseTarget("gguf:q4_k_m"), {
        tensorTypes: [{ pattern: "attn_k", type: "Q4_0" }],
      }),
    ).rejects.toMatchObject({
      code: "CONVERSION",
      message: expect.stringContaining("its rows of 48 are not a multiple of 32"),
    });
    await model.close();
  });
});

describe("pruneLayers", () => {
  it("is refused for layers that the model does not have, and for all of them", async () => {
    const source = await floatDirectory("BF16");
    await expect(planOf(source, "gguf:q8_0", { pruneLayers: [0, 7, 9] })).rejects.toMatchObject({
      code: "USAGE",
      message: "`pruneLayers` names layers that the model does not have: 7, 9.",
      hint: "The model has the layers 0 to 0.",
    });
    await expect(planOf(source, "gguf:q8_0", { pruneLayers: [0] })).rejects.toMatchObject({
      message: "`pruneLayers` names all layers, so that nothing is left of the model.",
    });
  });
});

describe("imatrix", () => {
  const entry = (columns: number): Float32Array => new Float32Array(columns).fill(1);

  it("names entries that fit no tensor", async () => {
    const weights = new Map([
      ["blk.0.ffn_down.weight", entry(512)],
      ["blk.7.ffn_down.weight", entry(512)],
      ["other", entry(3)],
    ]);
    expect(
      unusedOf(await planOf(await floatDirectory("BF16"), "gguf:q4_k_m", { imatrix: { weights } })),
    ).toEqual([
      "2 of 3 entries of the importance matrix fit no tensor of the model: blk.7.ffn_down.weight, other.",
    ]);
  });

  it("is refused where nothing fits", async () => {
    const weights = new Map([["blk.7.ffn_down.weight", entry(512)]]);
    await expect(
      planOf(await floatDirectory("BF16"), "gguf:q4_k_m", { imatrix: { weights } }),
    ).rejects.toMatchObject({ code: "FORMAT", hint: "Use a matrix computed on this model." });
  });

  it("says where no type uses it", async () => {
    const weights = new Map([["blk.0.ffn_down.weight", entry(512)]]);
    for (const target of ["gguf:q8_0", "gguf:f16"]) {
      expect(unusedOf(await planOf(await floatDirectory("BF16"), target, { imatrix: { weights } }))).toEqual([
        "`imatrix` changes nothing: no tensor gets a type that uses an importance matrix.",
      ]);
    }
  });
});

describe("leave to do what never happens", () => {
  it("allowRequantize", async () => {
    const source = await floatDirectory("BF16");
    for (const [target, why] of [
      ["gguf:q8_0", "no tensor is quantized a second time"],
      ["gguf:q4_k_m", "no tensor is quantized a second time"],
      ["safetensors:f16", "safetensors as a target needs no leave for that"],
      ["awq:gemm-128g", "awq as a target needs no leave for that"],
    ] as const) {
      expect(unusedOf(await planOf(source, target, { allowRequantize: true }))).toEqual([
        `\`allowRequantize\` changes nothing: ${why}.`,
      ]);
    }
    const model = await ggufOf(source, "gguf:q8_0");
    const plan = await planConversion(model, parseTarget("gguf:q4_0"), { allowRequantize: true });
    expect(unusedOf(plan)).toEqual([]);
  });

  it("allowNonFinite", async () => {
    const model = await openModel({ store: await floatDirectory("BF16") });
    const plan = await planConversion(model, parseTarget("gguf:q8_0"));
    const report = await runPlan(plan, model, memoryStore({ name: "out" }), { allowNonFinite: true });
    expect(runFindings(report)).toEqual([]);
    expect(runFindings(report, { allowNonFinite: true })).toMatchObject([{ code: "not-used" }]);
  });
});

it("keys of split files cannot be set", async () => {
  const set = new Map([["split.count", { type: "u16", value: 3 } as const]]);
  await expect(planOf(await floatDirectory("BF16"), "gguf:q8_0", { set })).rejects.toMatchObject({
    code: "USAGE",
    message: "The key split.count cannot be set: it follows from the files that are written.",
  });
});

it("fake quantization refuses what only a GGUF file has a place for", async () => {
  const set = new Map([["general.name", { type: "string", value: "x" } as const]]);
  const model = await openModel({ store: await floatDirectory("BF16") });
  await expect(
    planFakeQuantize(model, parseTarget("gguf:q8_0"), { set, keepSplit: true }),
  ).rejects.toMatchObject({
    code: "USAGE",
    message: expect.stringContaining("no use for `set`, `keepSplit`"),
  });
});

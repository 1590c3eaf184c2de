/**
 * Weights that are NaN or infinite, or become so when they are stored. Oracle: the values planted in the source, and where; of files
 * that are made all the same, that every value of them is finite. llama.cpp's quantizer stops at such weights as well (llama.cpp,
 * src/llama-quant.cpp, "tensor_validate").
 */
import { BF16, F16, F32, type MemoryStore, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { fileTypes, ggmlTypes } from "@requant/gguf";
import { writeSafetensors } from "@requant/safetensors";
import { describe, expect, it } from "vitest";
import {
  type Model,
  openModel,
  type Plan,
  parseTarget,
  planConversion,
  runFindings,
  runPlan,
} from "../../src/index.ts";
import { floatDirectory } from "./packed-models.ts";
import { converted, ggufWith, INDEX, nonFiniteCount, refused, UP } from "./planted.ts";

/** Every type that GGUF files hold blocks of and that can be written, whatever a recipe makes of it. */
const blockTypes = ggmlTypes.filter(({ codec, blockSize }) => codec?.quantize !== undefined && blockSize > 1);
const imatrix = { weights: new Map([[UP, new Float32Array(512).fill(1)]]) };

/** Tensors of a GGUF file end at multiples of 32 bytes. */
const padded = (byteLength: number): number => Math.ceil(byteLength / 32) * 32;

/** The plan of one tensor in a type, also in types that no recipe chooses. */
async function planned(model: Model, type: string): Promise<Plan> {
  const plan = await planConversion(model, parseTarget("gguf:q8_0"), { outputName: "o" });
  const { blockSize, blockByteLength } = ggmlTypes.find(({ name }) => name === type) ?? {
    blockSize: 1,
    blockByteLength: 1,
  };
  const byteLength = ((4 * 512) / blockSize) * blockByteLength;
  return {
    ...plan,
    tensors: plan.tensors.map((tensor) => ({
      ...tensor,
      to: type,
      byteLength,
      way: { kind: "floats" as const, direct: true, importance: UP },
    })),
    files: plan.files.map((file) => ({
      ...file,
      byteLength: file.byteLength - padded(plan.tensors[0]?.byteLength ?? 0) + padded(byteLength),
    })),
  };
}

async function runType(model: Model, type: string): Promise<{ error: unknown; store: MemoryStore }> {
  const store = memoryStore({ name: "out" });
  const error: unknown = await runPlan(await planned(model, type), model, store, {
    imatrix: imatrix.weights,
  }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, store };
}

describe("every quantized type of GGUF", () => {
  it("is among the types that are looked at", () => {
    const types = new Set(blockTypes.map(({ name }) => name));
    const targets = fileTypes.map(({ baseType }) => baseType).filter((type) => !/^(B?F16|F32)$/.test(type));
    expect(targets.filter((type) => !types.has(type))).toEqual([]);
  });

  describe.each(blockTypes.map(({ name }) => name))("%s", (type) => {
    it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])("refuses %s", async (value) => {
      const model = await ggufWith({ [INDEX]: value, 1500: Number.NaN });
      const { error, store } = await runType(model, type);
      expect(error).toMatchObject({
        name: "ConversionError",
        code: "CONVERSION",
        reason: "non-finite",
        tensor: UP,
        index: INDEX,
        path: "tiny.gguf",
        offset: model.tensor(UP).byteOffset + 4 * INDEX,
        message: expect.stringContaining(`Weight 519 [1, 7] of ${UP}, made from ${UP}, is ${value}`),
        hint: expect.stringContaining("`tensorTypes` '^blk\\.0\\.ffn_up\\.weight$=bf16'"),
      });
      expect([...store.files.keys()]).toEqual([]);
    });

    it.each([1e6, -4e6, 3.4e38])("refuses a finite %s or stores finite weights", async (value) => {
      const model = await ggufWith({ [INDEX]: value });
      const { error, store } = await runType(model, type);
      if (error === undefined) {
        expect(await nonFiniteCount(store)).toBe(0);
        return;
      }
      const { blockSize = 1 } = blockTypes.find(({ name }) => name === type) ?? {};
      const first = INDEX - (INDEX % blockSize);
      expect(error).toMatchObject({ code: "CONVERSION", reason: "non-finite", tensor: UP });
      expect(error).toHaveProperty(
        "index",
        expect.toSatisfy((index) => index >= first && index <= INDEX),
      );
      expect(error).toHaveProperty("message", expect.stringContaining(String(Math.fround(value))));
    });
  });

  // scales are f16, up to 65504: 4e6 over 15 codes, over 31 codes, over 3 codes times 15 sub-scales
  it.each(["Q4_1", "Q5_1", "Q2_K"])("%s cannot hold a block with 4e6, and names it", async (type) => {
    const { error } = await runType(await ggufWith({ [INDEX]: 4e6 }), type);
    const { blockSize = 1 } = blockTypes.find(({ name }) => name === type) ?? {};
    expect(error).toMatchObject({ index: INDEX - (INDEX % blockSize), reason: "non-finite" });
    expect(error).toHaveProperty("message", expect.stringContaining("4000000, weight 519 [1, 7]"));
  });
});

const golden = process.env["REQUANT_GOLDEN"];
describe.skipIf(golden === undefined)("the reported files (skipped where REQUANT_GOLDEN is unset)", () => {
  const targets = fileTypes.map(({ name }) => name.toLowerCase()).filter((name) => name !== "copy");
  const floats = new Set(["f32", "f16", "bf16"]);

  it.each(targets.flatMap((target) => ["nan", "inf", "big", "mix"].map((file) => [file, target] as const)))(
    "%s.gguf to gguf:%s",
    async (file, target) => {
      const store = directoryStore(`${golden}/reports/non-finite`);
      const model = await openModel({ store, file: `${file}.gguf` });
      const out = memoryStore({ name: "out" });
      const plan = await planConversion(model, parseTarget(`gguf:${target}`), { outputName: "o", imatrix });
      const run = runPlan(plan, model, out, { imatrix: imatrix.weights });
      if (file === "nan" || file === "inf") {
        if (floats.has(target)) {
          const { tensors } = await run;
          // F32 is copied as it is
          expect(tensors[0]?.nonFinite?.firstIndex).toBe(target === "f32" ? undefined : INDEX);
          return;
        }
        await expect(run).rejects.toMatchObject({ code: "CONVERSION", tensor: UP, index: INDEX });
        return;
      }
      const error: unknown = await run.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error === undefined) expect(await nonFiniteCount(out)).toBe(0);
      else expect(error).toMatchObject({ code: "CONVERSION", tensor: UP, index: expect.any(Number) });
      // 1e6 and 3.4e38 are beyond F16, and 3.4e38 beyond BF16
      if (target === "f16" || (target === "bf16" && file === "mix")) expect(error).toHaveProperty("index", 0);
    },
    20_000,
  );
});

describe("float types", () => {
  it.each([
    [
      "gguf:f16",
      { [INDEX]: 65520 },
      F32,
      "Infinity in F16",
      "safetensors:bf16 or gguf:bf16, safetensors:f32 or gguf:f32",
    ],
    ["gguf:f16", { [INDEX]: -98304 }, BF16, "-Infinity in F16", "gguf:bf16"],
    ["gguf:f16", { [INDEX]: -98304, 1500: Number.NaN }, BF16, "-Infinity in F16", "gguf:bf16"],
    ["gguf:bf16", { [INDEX]: 3.4e38 }, F32, "Infinity in BF16", "(safetensors:f32 or gguf:f32)"],
  ] as const)(
    "%s: a finite weight does not become infinite",
    async (target, planted, codec, became, hint) => {
      const error = await refused(await ggufWith(planted, codec), target);
      expect(error).toMatchObject({
        code: "CONVERSION",
        tensor: UP,
        index: INDEX,
        message: expect.stringContaining(`would become ${became}`),
        hint: expect.stringContaining(hint),
      });
    },
  );

  it("65519, which rounds to the largest F16, is stored", async () => {
    const { store, report } = await converted(await ggufWith({ [INDEX]: 65519 }), "gguf:f16");
    expect(await nonFiniteCount(store)).toBe(0);
    expect(report.tensors[0]?.nonFinite).toBeUndefined();
  });

  it.each([
    ["gguf:f16", F32],
    ["gguf:bf16", F16],
    // exact: nothing is measured
    ["gguf:f32", F16],
    ["gguf:f32", BF16],
  ] as const)("%s keeps NaN and infinities of the source, and reports them", async (target, codec) => {
    const model = await ggufWith({ 1500: Number.NaN, [INDEX]: Number.NEGATIVE_INFINITY }, codec);
    const { store, report } = await converted(model, target, {}, { bandByteLength: 2048 });
    expect(report.tensors[0]?.nonFinite).toEqual({
      inSource: 2,
      byStoring: 0,
      firstIndex: INDEX,
      firstPlace: [1, 7],
      firstValue: "-Infinity",
      firstStored: "-Infinity",
    });
    expect(JSON.stringify(report)).not.toContain("null");
    expect(runFindings(report)).toMatchObject([{ code: "infinite-weights", tensor: UP }]);
    expect(await nonFiniteCount(store)).toBe(2);
  });

  it("a weight that is computed does not become infinite", async () => {
    const model = await ggufWith({ [INDEX]: 200 });
    const plan = await planConversion(model, parseTarget("gguf:f32"), { outputName: "o" });
    const tensors = plan.tensors.map((tensor) => ({
      ...tensor,
      fidelity: "rounded" as const,
      way: { kind: "floats" as const, direct: false },
      // −exp(200) is beyond F32
      inputs: [{ tensor: UP, map: "negative-exp" as const }],
    }));
    const run = runPlan({ ...plan, tensors }, model, memoryStore({ name: "out" }));
    await expect(run).rejects.toMatchObject({
      code: "CONVERSION",
      tensor: UP,
      index: INDEX,
      hint: "Correct the weight in the source, or allow such weights with `allowNonFinite`.",
    });
  });

  it("a number that only F64 holds does not become infinite", async () => {
    const wide = new Float64Array([1, 1e300, 2, 3]);
    const store = await floatDirectory("F32");
    const out = memoryStore({ name: "wide" });
    const sink = await out.create("model.safetensors");
    await writeSafetensors(sink, [
      {
        name: "model.norm.weight",
        encoding: "F64",
        shape: [4],
        data: [new Uint8Array(wide.buffer)],
      },
    ]);
    await sink.close();
    for (const [name, bytes] of store.files) if (name.endsWith(".json")) out.files.set(name, bytes);
    const error = await refused(await openModel({ store: out }), "safetensors:f32");
    expect(error).toMatchObject({ code: "CONVERSION", tensor: "model.norm.weight", index: 1 });
  });
});

describe("quantized sources", () => {
  it("a block with an infinite scale is refused for other blocks, and kept in floats", async () => {
    const q8 = await converted(await ggufWith({}), "gguf:q8_0", {}, {}, "blocks");
    const model = await openModel({ store: q8.store, file: "o.gguf" });
    const { byteOffset } = model.tensor(UP);
    const bytes = q8.store.files.get("o.gguf") ?? new Uint8Array(0);
    // block 16 begins with its scale as f16: infinity
    bytes.set([0x00, 0x7c], byteOffset + 16 * 34);
    for (const target of ["gguf:q4_0", "gguf:q6_k"]) {
      const error = await refused(model, target, { allowRequantize: true });
      expect(error).toMatchObject({ code: "CONVERSION", tensor: UP, path: "o.gguf" });
      expect(error).toHaveProperty(
        "index",
        expect.toSatisfy((index) => index >= 512 && index < 544),
      );
      expect(error).toHaveProperty("offset", byteOffset + 16 * 34);
    }
    const { report } = await converted(model, "gguf:f32", { allowRequantize: true });
    expect(report.tensors[0]?.nonFinite).toMatchObject({ inSource: 32, byStoring: 0, firstPlace: [1, 0] });
  });
});

describe("the way out that a refusal names", () => {
  const names = [UP, "token_embd.weight", "output.weight", "blk.0.attn_v.weight"];

  it.each(names)("works for %s: another type for the tensor", async (name) => {
    const model = await ggufWith({ [INDEX]: Number.NaN }, F32, name);
    for (const target of ["gguf:q4_0", "gguf:q8_0", "gguf:q4_k_m"]) {
      const error = await refused(model, target);
      const hint = error instanceof Error && "hint" in error ? String(error.hint) : "";
      const [, pattern = "", type = ""] = /tensorTypes` '(.*)=(\w+)'/.exec(hint) ?? [];
      const rule = { pattern, type: type.toUpperCase() };
      const { report } = await converted(model, target, { tensorTypes: [rule] });
      expect(report.tensors).toMatchObject([{ name, to: "BF16", nonFinite: { inSource: 1 } }]);
    }
  });

  it("works: allowing such weights, which the report then lists", async () => {
    const model = await ggufWith({ [INDEX]: Number.NaN });
    const { report, store } = await converted(model, "gguf:q4_0", {}, { allowNonFinite: true });
    expect(report.tensors[0]).toMatchObject({
      nonFinite: { inSource: 1, firstIndex: INDEX, firstValue: "NaN" },
    });
    // an infinite error is left out, and never null
    expect(JSON.stringify(report)).not.toContain("null");
    expect(store.files.has("o.gguf")).toBe(true);
    expect(runFindings(report)).toMatchObject([{ code: "nan-weights", tensor: UP }]);
    const big = await converted(await ggufWith({ [INDEX]: 98304 }), "gguf:f16", {}, { allowNonFinite: true });
    expect(big.report.tensors[0]?.nonFinite).toMatchObject({
      inSource: 0,
      byStoring: 1,
      firstStored: "Infinity",
    });
    expect(runFindings(big.report)).toMatchObject([{ code: "became-non-finite", tensor: UP }]);
  });
});

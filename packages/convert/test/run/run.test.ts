import { type ByteSink, F16, type MemoryStore, type MetadataValue, memoryStore } from "@requant/core";
import { readGguf } from "@requant/gguf";
import { describe, expect, it } from "vitest";
import {
  listTargets,
  type OutputStore,
  openModel,
  parsePlan,
  parseTarget,
  planConversion,
  planJobs,
  planMerge,
  planModelSplit,
  planReport,
  runPlan,
  verifyModels,
} from "../../src/index.ts";
import { pseudoWeights, tinyStore, tinyTensors } from "../tiny-gguf.ts";

async function tinyModel(store?: MemoryStore) {
  return openModel({ store: store ?? (await tinyStore()), file: "tiny.gguf" });
}

describe("targets", () => {
  it.each([
    ["gguf:Q8_0", "Q8_0"],
    ["GGUF:q4_k_m", "Q4_K_M"],
    ["gguf:q4_k", "Q4_K_M"],
    ["safetensors:BF16", "BF16"],
  ])("%s", (text, type) => expect(parseTarget(text).settings).toEqual({ type }));

  it.each(["", "gguf", "gguf:", "gguf:q9_9", "gguf:q8_0-x", "safetensors:q8_0", "onnx:f16", ":"])(
    "refuses %j",
    (text) =>
      expect(() => parseTarget(text)).toThrow(
        expect.objectContaining({ code: "USAGE", hint: expect.any(String) }),
      ),
  );

  it("names the fork of a fork's type", () => {
    expect(() => parseTarget("gguf:iq4_ks")).toThrow(/ik_llama/);
  });

  it("lists only what it parses", () => {
    for (const target of listTargets()) expect(parseTarget(target).text).toBe(target);
  });
});

describe("plan", () => {
  it("is plain JSON that comes back whole", async () => {
    const plan = await planConversion(await tinyModel(), parseTarget("gguf:q4_0"), { outputName: "out" });
    expect(parsePlan(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
    expect(planJobs(plan)).toEqual(["out.gguf"]);
  });

  it("reports every tensor's way, and knows the byte length beforehand", async () => {
    const model = await tinyModel();
    const plan = await planConversion(model, parseTarget("gguf:q8_0"), { outputName: "out" });
    const output = memoryStore({ name: "out" });
    const report = await runPlan(plan, model, output);
    expect(output.files.get("out.gguf")?.byteLength).toBe(plan.byteLength);
    expect(planReport(plan)).toEqual({ ...report, seconds: undefined, tensors: planReport(plan).tensors });
    expect(report.fidelity).toEqual({ copy: 1, exact: 0, rounded: 0, requantized: 3, float: 0 });
    const [embedding] = report.tensors;
    expect(embedding).toMatchObject({
      name: "token_embd.weight",
      from: "F16",
      to: "Q8_0",
      fidelity: "requantized",
    });
    // half a step of an 8-bit code of weights within ±1/16
    expect(embedding?.maxAbsError).toBeLessThan(1 / 16 / 127);
    expect(embedding?.rmse).toBeGreaterThan(0);
    expect(report.tensors.find(({ fidelity }) => fidelity === "copy")?.rmse).toBeUndefined();
  });

  it("refuses with exact, and names the tensors", async () => {
    const model = await tinyModel();
    await expect(planConversion(model, parseTarget("gguf:q8_0"), { exact: true })).rejects.toMatchObject({
      code: "CONVERSION",
      message: expect.stringContaining("3 of 4 tensors"),
      tensor: "token_embd.weight",
    });
    const exact = await planConversion(model, parseTarget("gguf:f32"), { exact: true });
    expect(exact.tensors.map(({ fidelity }) => fidelity).sort()).toEqual(["copy", "exact", "exact", "exact"]);
  });

  it("refuses to quantize twice unless allowed", async () => {
    const model = await tinyModel();
    const output = memoryStore({ name: "source2" });
    await runPlan(
      await planConversion(model, parseTarget("gguf:q8_0"), { outputName: "tiny" }),
      model,
      output,
    );
    const quantized = await openModel({ store: output, file: "tiny.gguf" });
    await expect(planConversion(quantized, parseTarget("gguf:q4_0"))).rejects.toMatchObject({
      code: "CONVERSION",
    });
    const plan = await planConversion(quantized, parseTarget("gguf:q4_0"), { allowRequantize: true });
    expect(plan.tensors.find(({ name }) => name === "blk.0.attn_q.weight")).toMatchObject({
      from: "Q8_0",
      to: "Q4_0",
    });
  });

  it("sets metadata last, and takes it from a reference", async () => {
    const model = await tinyModel();
    const set = new Map<string, MetadataValue>([["general.name", { type: "string", value: "Renamed" }]]);
    const plan = await planConversion(model, parseTarget("gguf:f16"), { set });
    expect(plan.files[0]).toMatchObject({ kind: "gguf" });
    const metadata = new Map(plan.files[0]?.kind === "gguf" ? plan.files[0].metadata : []);
    expect(metadata.get("general.name")).toEqual({ type: "string", value: "Renamed" });
    expect(metadata.get("general.file_type")).toEqual({ type: "u32", value: 1 });
  });

  it("refuses GGUF options for other targets, and an output that is no plan", async () => {
    const model = await tinyModel();
    await expect(planConversion(model, parseTarget("safetensors:f16"), { pure: true })).rejects.toMatchObject(
      { code: "USAGE" },
    );
    expect(() => parsePlan({ version: 2 })).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});

/** An output whose sinks can be made to fail, and that counts what is left open. */
function faultyStore(faults: {
  failAfter?: number;
  corrupt?: boolean;
}): OutputStore & { files: Map<string, Uint8Array>; open_: number } {
  const inner = memoryStore({ name: "out" });
  const store = {
    name: "out",
    files: inner.files,
    open_: 0,
    open: (path: string) => inner.open(path),
    list: () => inner.list(),
    async remove(path: string) {
      inner.files.delete(path);
    },
    async create(path: string): Promise<ByteSink> {
      const sink = await inner.create(path);
      store.open_ += 1;
      return {
        name: sink.name,
        get byteLength() {
          return sink.byteLength;
        },
        async write(bytes) {
          if (faults.failAfter !== undefined && sink.byteLength > faults.failAfter)
            throw new Error("disk full");
          await sink.write(bytes);
        },
        async close() {
          await sink.close();
          store.open_ -= 1;
          const written = inner.files.get(path);
          if (faults.corrupt && written !== undefined) written[written.length - 40]! ^= 1;
        },
        async abort() {
          await sink.abort();
          store.open_ -= 1;
        },
      };
    },
  };
  return store;
}

describe("run", () => {
  it("leaves nothing after a failed write", async () => {
    const model = await tinyModel();
    const plan = await planConversion(model, parseTarget("gguf:f32"), { outputName: "out" });
    const output = faultyStore({ failAfter: 3000 });
    await expect(runPlan(plan, model, output)).rejects.toThrow("disk full");
    expect(output.files.size).toBe(0);
    expect(output.open_).toBe(0);
  });

  it("leaves nothing of several files when the last one fails", async () => {
    const model = await tinyModel();
    const plan = await planModelSplit(model, { outputName: "parts", maxTensors: 2 });
    expect(plan.files).toHaveLength(2);
    const output = faultyStore({ failAfter: 9000 });
    await expect(runPlan(plan, model, output)).rejects.toThrow("disk full");
    expect(output.files.size).toBe(0);
  });

  it("notices bytes that changed on the way to the disk, and takes the file away", async () => {
    const model = await tinyModel();
    const plan = await planConversion(model, parseTarget("gguf:f32"), { outputName: "out" });
    const output = faultyStore({ corrupt: true });
    await expect(runPlan(plan, model, output)).rejects.toMatchObject({
      code: "IO",
      tensor: expect.any(String),
    });
    expect(output.files.size).toBe(0);
    const unchecked = faultyStore({ corrupt: true });
    await runPlan(plan, model, unchecked, { check: false });
    expect(unchecked.files.size).toBe(1);
  });

  it("stops when told to", async () => {
    const model = await tinyModel();
    const plan = await planConversion(model, parseTarget("gguf:f32"), { outputName: "out" });
    const output = faultyStore({});
    const controller = new AbortController();
    const run = runPlan(plan, model, output, {
      signal: controller.signal,
      bandByteLength: 1024,
      onProgress: ({ done, total }) => {
        if (done > total / 2) controller.abort();
      },
    });
    await expect(run).rejects.toMatchObject({ name: "AbortError" });
    expect(output.files.size).toBe(0);
    expect(output.open_).toBe(0);
  });

  it("tells its progress from nothing to all, writing and checking", async () => {
    const model = await tinyModel();
    const plan = await planConversion(model, parseTarget("gguf:q8_0"), { outputName: "out" });
    const seen: [string, number, number][] = [];
    await runPlan(plan, model, memoryStore({ name: "out" }), {
      onProgress: ({ phase, done, total }) => seen.push([phase, done, total]),
    });
    const bytes = plan.tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(seen.filter(([phase]) => phase === "write").at(-1)).toEqual(["write", bytes, bytes]);
    expect(seen.at(-1)).toEqual(["check", bytes, bytes]);
  });

  it("refuses an output that exists, unless it may overwrite", async () => {
    const model = await tinyModel();
    const plan = await planConversion(model, parseTarget("gguf:f16"), { outputName: "out" });
    const output = memoryStore({ name: "out", overwrite: true });
    output.files.set("out.gguf", new Uint8Array(1));
    await expect(runPlan(plan, model, output)).rejects.toMatchObject({ code: "IO" });
    expect(output.files.get("out.gguf")).toHaveLength(1);
    await runPlan(plan, model, output, { overwrite: true });
    expect(output.files.get("out.gguf")?.byteLength).toBe(plan.byteLength);
  });

  it("refuses to write over its source", async () => {
    const store = await tinyStore();
    const model = await tinyModel(store);
    const plan = await planConversion(model, parseTarget("gguf:f16"), { outputName: "tiny" });
    await expect(runPlan(plan, model, store, { overwrite: true })).rejects.toMatchObject({ code: "USAGE" });
  });

  it("refuses a plan of another model", async () => {
    const plan = await planConversion(await tinyModel(), parseTarget("gguf:f16"));
    const other = await tinyModel(await tinyStore(tinyTensors().slice(1)));
    await expect(runPlan(plan, other, memoryStore({ name: "out" }))).rejects.toMatchObject({ code: "USAGE" });
  });

  it("does some jobs here and the others elsewhere, with the same bytes", async () => {
    const model = await tinyModel();
    const plan = parsePlan(
      JSON.parse(JSON.stringify(await planModelSplit(model, { outputName: "parts", maxTensors: 1 }))),
    );
    const whole = memoryStore({ name: "whole" });
    await runPlan(plan, model, whole);
    const pieces = memoryStore({ name: "pieces" });
    for (const job of planJobs(plan).reverse())
      await runPlan(plan, await tinyModel(), pieces, { files: [job] });
    expect([...pieces.files].sort()).toEqual([...whole.files].sort());
    await expect(runPlan(plan, model, pieces, { files: ["nope"] })).rejects.toMatchObject({ code: "USAGE" });
  });

  it("makes the same bytes whatever the band", async () => {
    const model = await tinyModel();
    const plan = await planConversion(model, parseTarget("gguf:q4_0"), { outputName: "out" });
    const results = await Promise.all(
      [1, 1000, 8192, 1 << 22].map(async (bandByteLength) => {
        const output = memoryStore({ name: "out" });
        await runPlan(plan, model, output, { bandByteLength });
        return output.files.get("out.gguf");
      }),
    );
    for (const bytes of results) expect(bytes).toEqual(results[0]);
  });
});

describe("split and merge", () => {
  it("come back to the same tensors and metadata", async () => {
    const model = await tinyModel();
    const parts = memoryStore({ name: "parts" });
    await runPlan(await planModelSplit(model, { outputName: "p", maxByteLength: 12_000 }), model, parts);
    expect([...parts.files.keys()]).toEqual([
      "p-00001-of-00003.gguf",
      "p-00002-of-00003.gguf",
      "p-00003-of-00003.gguf",
    ]);
    const split = await openModel({ store: parts, file: "p-00002-of-00003.gguf" });
    expect(split.variant).toContain("3 parts");
    const merged = memoryStore({ name: "merged" });
    await runPlan(await planMerge(split, { outputName: "tiny" }), split, merged);
    const store = await tinyStore();
    expect(merged.files.get("tiny.gguf")).toEqual(store.files.get("tiny.gguf"));
  });

  it("need a limit", async () => {
    await expect(planModelSplit(await tinyModel(), {})).rejects.toMatchObject({ code: "USAGE" });
  });
});

describe("big-endian sources", () => {
  it("give the same values and the same output", async () => {
    const little = await tinyModel();
    const big = await openModel({
      store: await tinyStore(tinyTensors(), { littleEndian: false }),
      file: "tiny.gguf",
    });
    expect(big.variant).toContain("big-endian");
    expect((await verifyModels(little, big)).equal).toBe(true);
    const [a, b] = [memoryStore({ name: "a" }), memoryStore({ name: "b" })];
    await runPlan(await planConversion(little, parseTarget("gguf:q5_1"), { outputName: "x" }), little, a);
    await runPlan(await planConversion(big, parseTarget("gguf:q5_1"), { outputName: "x" }), big, b);
    expect(b.files.get("x.gguf")).toEqual(a.files.get("x.gguf"));
  });
});

describe("importance matrix", () => {
  it("is needed again for the run", async () => {
    const model = await tinyModel();
    const weights = new Map([["blk.0.attn_q.weight", pseudoWeights(64, 9).map(Math.abs)]]);
    const plan = await planConversion(model, parseTarget("gguf:q4_0"), {
      outputName: "x",
      imatrix: { weights },
    });
    const importances = plan.tensors.flatMap(({ way }) =>
      way.kind === "floats" ? (way.importance ?? []) : [],
    );
    expect(importances).toEqual(["blk.0.attn_q.weight"]);
    await expect(runPlan(plan, model, memoryStore({ name: "o" }))).rejects.toMatchObject({ code: "USAGE" });
    const output = memoryStore({ name: "o" });
    await runPlan(plan, model, output, { imatrix: weights });
    const plain = memoryStore({ name: "o" });
    await runPlan(await planConversion(model, parseTarget("gguf:q4_0"), { outputName: "x" }), model, plain);
    expect(output.files.get("x.gguf")).not.toEqual(plain.files.get("x.gguf"));
  });
});

it("a written file is a GGUF that reads to the plan", async () => {
  const model = await tinyModel();
  const plan = await planConversion(model, parseTarget("gguf:q8_0"), {
    outputName: "out",
    tensorTypes: [{ pattern: "ffn_up", type: F16.name }],
  });
  const output = memoryStore({ name: "out" });
  await runPlan(plan, model, output);
  const source = await output.open("out.gguf");
  if (source === undefined) throw new Error("no output");
  const { tensors } = await readGguf(source);
  expect(tensors.map(({ name, encoding, shape }) => ({ name, to: encoding, shape }))).toEqual(
    plan.tensors.map(({ name, to, shape }) => ({ name, to, shape })),
  );
  expect(tensors.find(({ name }) => name === "blk.0.ffn_up.weight")?.encoding).toBe("F16");
});

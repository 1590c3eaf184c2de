/**
 * gpt-oss's experts, which a checkpoint stores as pairs of tensors. Oracle: ggml's MXFP4, which the vectors of @requant/gguf prove: what
 * is read from the pairs must be what is read from the GGUF.
 */
import { fileURLToPath } from "node:url";
import { type MemoryStore, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { ggmlTypeByName } from "@requant/gguf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Model,
  openModel,
  type PlanOptions,
  parseTarget,
  planConversion,
  runPlan,
  verifyModels,
} from "../../src/index.ts";

const path = fileURLToPath(new URL("../../../../fixtures/arch/gpt-oss-tiny", import.meta.url));
let source: Model;
let gguf: Model;

async function converted(model: Model, target: string, options: PlanOptions = {}): Promise<MemoryStore> {
  const store = memoryStore({ name: target });
  const plan = await planConversion(model, parseTarget(target), { outputName: "o", ...options });
  await runPlan(plan, model, store);
  return store;
}

beforeAll(async () => {
  source = await openModel({ store: directoryStore(path) });
  gguf = await openModel({ store: await converted(source, "gguf:auto", { exact: true }), file: "o.gguf" });
});
afterAll(() => source.close());

const isExpert = (name: string): boolean => name.endsWith("_exps.weight");

describe("the experts of gpt-oss", () => {
  it("hold the same numbers as pairs and as blocks", async () => {
    const report = await verifyModels(source, gguf);
    expect(report).toMatchObject({ equal: true, onlyInA: [], onlyInB: [], shapesDiffer: [] });
    expect(report.tensors.filter(({ name }) => isExpert(name)).map(({ to }) => to)).toEqual(
      Array.from({ length: 6 }, () => "MXFP4"),
    );
  });

  it.each([
    ["F32", "exact"],
    ["Q4_0", "requantized"],
    ["Q8_0", "requantized"],
  ])("as %s are %s, with the bytes that the blocks give", async (type, fidelity) => {
    const options: PlanOptions = {
      allowRequantize: true,
      tensorTypes: [{ pattern: "_exps", type }],
    };
    const plan = await planConversion(source, parseTarget("gguf:q8_0"), options);
    const experts = plan.tensors.filter(({ name }) => isExpert(name));
    expect(experts.map(({ to }) => to)).toEqual(Array.from({ length: 6 }, () => type));
    expect([...new Set(experts.map((tensor) => tensor.fidelity))]).toEqual([fidelity]);
    const [fromPairs, fromBlocks] = await Promise.all(
      [source, gguf].map(async (model) =>
        openModel({ store: await converted(model, "gguf:q8_0", options), file: "o.gguf" }),
      ),
    );
    for (const { name, byteLength, shape } of experts) {
      const [ours, theirs] = await Promise.all(
        [fromPairs, fromBlocks].map((model) => model?.readBytes(name, 0, byteLength)),
      );
      // blocks keep their values in Q8_0; pairs become new codes, those of the same values
      const asBlocks = type === "Q8_0" ? await quantized(name, shape, type) : theirs;
      expect(Buffer.compare(ours ?? Buffer.of(), asBlocks ?? Buffer.of(1)), name).toBe(0);
    }
  });

  /** The experts of the GGUF, read as numbers and encoded by the codec that ggml's vectors prove. */
  async function quantized(name: string, shape: readonly number[], type: string): Promise<Uint8Array> {
    const columns = shape.at(-1) ?? 1;
    const count = shape.reduce((product, size) => product * size, 1);
    const values = new Float32Array(count);
    await gguf.weight(name).readRows(0, count / columns, values);
    const { codec, blockSize, blockByteLength } = ggmlTypeByName(type);
    const bytes = new Uint8Array((count / blockSize) * blockByteLength);
    codec?.quantize?.(values, columns, bytes);
    return bytes;
  }

  it("as blocks of a GGUF keep their values in Q8_0", async () => {
    const options: PlanOptions = { exact: true, allowRequantize: true };
    const plan = await planConversion(gguf, parseTarget("gguf:q8_0"), {
      ...options,
      tensorTypes: [
        { pattern: "_exps", type: "Q8_0" },
        { pattern: ".*", type: "F32" },
      ],
    });
    const experts = plan.tensors.filter(({ name }) => isExpert(name));
    expect(experts.map(({ fidelity, way }) => [fidelity, way.kind])).toEqual(
      Array.from({ length: 6 }, () => ["exact", "view"]),
    );
    const store = memoryStore({ name: "exact" });
    await runPlan(plan, gguf, store);
    const back = await openModel({ store, file: plan.files[0]?.name ?? "" });
    expect(await verifyModels(gguf, back)).toMatchObject({ equal: true });
  });

  it("are not quantized again unless that is asked for", async () => {
    await expect(planConversion(source, parseTarget("gguf:q4_k_m"))).rejects.toMatchObject({
      code: "CONVERSION",
      message: expect.stringContaining("is MXFP4 already"),
    });
  });

  it.each(["gptq:4bit-32g-sym", "awq:gemm-32g", "exl2:4.5bpw-h6"])(
    "leave no room for %s beside them",
    async (target) => {
      await expect(planConversion(source, parseTarget(target))).rejects.toMatchObject({
        code: "UNSUPPORTED",
        tensor: expect.stringMatching(/_blocks$/),
        hint: expect.stringContaining("safetensors:bf16"),
      });
    },
  );
});

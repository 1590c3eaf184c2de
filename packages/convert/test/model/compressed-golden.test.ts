/**
 * Directories that llm-compressor wrote (golden set, `neighbours`): the weights that compressed-tensors computes from them,
 * and the tensors that llama.cpp's own converter makes of them.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BF16, type MemoryStore, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { describe, expect, it } from "vitest";
import { reportCase, SIDE } from "../../../../fixtures/report-cases.ts";
import { int8 } from "../../../../fixtures/report-compressed.ts";
import {
  hashModel,
  type Model,
  openModel,
  parseTarget,
  planConversion,
  runPlan,
  verifyModels,
} from "../../src/index.ts";

const root = join(process.env["REQUANT_GOLDEN"] ?? "", "neighbours");
const isThere = process.env["REQUANT_GOLDEN"] !== undefined && existsSync(root);

type TensorOfConverter = readonly [encoding: string, shape: readonly number[], sha256: string];

interface Manifest {
  readonly models: readonly {
    readonly id: string;
    readonly weights: Readonly<Record<string, { readonly sha256: string; readonly dtype: string }>>;
  }[];
  readonly "llama.cpp converter": {
    readonly models: Readonly<
      Record<string, Readonly<Record<string, { tensors?: Record<string, TensorOfConverter> }>>>
    >;
  };
}

const manifest: Manifest = isThere
  ? JSON.parse(readFileSync(join(root, "manifest.json"), "utf8"))
  : { models: [], "llama.cpp converter": { models: {} } };

const opened = (name: string): Promise<Model> =>
  openModel({ store: directoryStore(join(root, "models", name)) });

async function rowsOf(model: Model, name: string): Promise<Float32Array> {
  const { shape } = model.tensor(name);
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  const rows = shape.length < 2 ? 1 : (shape[0] ?? 0);
  await model.weight(name).readRows(0, rows, values);
  return values;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

async function converted(model: Model, target: string): Promise<{ store: MemoryStore; made: Model }> {
  const store = memoryStore({ name: "out" });
  const plan = await planConversion(model, parseTarget(target), { outputName: "model.gguf" });
  await runPlan(plan, model, store);
  return { store, made: await openModel({ store, file: plan.files[0]?.name }) };
}

describe.skipIf(!isThere)("models of llm-compressor (skipped: REQUANT_GOLDEN is not set)", () => {
  it.each(["ct-int8-w8a8", "ct-mixed-int", "ct-nvfp4"])(
    "%s has the weights that the library computes",
    async (name) => {
      const model = await opened(name);
      const weights = Object.entries(manifest.models.find(({ id }) => id === name)?.weights ?? {});
      expect(weights.length).toBeGreaterThan(15);
      for (const [tensor, { dtype, sha256: expected }] of weights) {
        expect(dtype).toBe("bfloat16");
        const values = await rowsOf(model, tensor);
        // the library computes in bf16, which rounds each product once
        const bytes = new Uint8Array(2 * values.length);
        BF16.quantize?.(values, values.length, bytes);
        expect(sha256(bytes), tensor).toBe(expected);
      }
    },
  );

  it("ct-int8-w8a8 becomes the tensors that llama.cpp's converter makes", async () => {
    const { made } = await converted(await opened("ct-int8-w8a8"), "gguf:f32");
    const theirs = manifest["llama.cpp converter"].models["ct-int8-w8a8"]?.["--outtype f32"]?.tensors ?? {};
    expect(Object.keys(theirs).length).toBeGreaterThan(15);
    for (const [tensor, [encoding, , expected]] of Object.entries(theirs)) {
      expect(encoding).toBe("F32");
      expect(sha256(new Uint8Array((await rowsOf(made, tensor)).buffer)), tensor).toBe(expected);
    }
  });

  it.each(["ct-int8-w8a8", "ct-mixed-int", "ct-nvfp4"])(
    "%s as q4_k_m has the bytes of its dequantized twin, where codes are new",
    async (name) => {
      const model = await opened(name);
      const twinStore = memoryStore({ name: "twin" });
      await runPlan(await planConversion(model, parseTarget("safetensors:f32")), model, twinStore);
      const twin = await openModel({ store: twinStore });
      const plan = await planConversion(model, parseTarget("gguf:q4_k_m"));
      const [own, other] = [await converted(model, "gguf:q4_k_m"), await converted(twin, "gguf:q4_k_m")];
      const requantized = plan.tensors.filter(({ fidelity }) => fidelity === "requantized");
      expect(requantized.length).toBeGreaterThan(0);
      const bytesOf = async ({ made }: { made: Model }): Promise<ReadonlyMap<string, string>> =>
        new Map(
          ((await hashModel(made, { tensors: true })).tensors ?? []).map(({ name, sha256 }) => [
            name,
            sha256,
          ]),
        );
      const [ownBytes, otherBytes] = [await bytesOf(own), await bytesOf(other)];
      for (const { name: tensor } of requantized) {
        expect(ownBytes.get(tensor), tensor).toMatch(/^[0-9a-f]{64}$/);
        expect(ownBytes.get(tensor), tensor).toBe(otherBytes.get(tensor));
      }
    },
  );

  it("ct-nvfp4 becomes the NVFP4 blocks and scales that llama.cpp's converter makes", async () => {
    const source = await opened("ct-nvfp4");
    const { made } = await converted(source, "gguf:f32");
    const theirs = manifest["llama.cpp converter"].models["ct-nvfp4"]?.["--outtype f32"]?.tensors ?? {};
    const own = new Map(
      ((await hashModel(made, { tensors: true })).tensors ?? []).map((one) => [one.name, one.sha256]),
    );
    expect(Object.keys(theirs).length).toBeGreaterThan(40);
    for (const [tensor, [, , expected]] of Object.entries(theirs))
      expect(own.get(tensor), tensor).toBe(expected);
    // a reciprocal in place of a division: two units in the last place of f32
    const { tensors } = await verifyModels(source, made);
    for (const { relativeRmse } of tensors) expect(relativeRmse).toBeLessThan(2 ** -22);
  });

  it("ct-int8-w8a8 as Q8_0 and back has every value", async () => {
    const model = await opened("ct-int8-w8a8");
    const plan = await planConversion(model, parseTarget("gguf:auto"), { exact: true });
    expect(plan.tensors.filter(({ to }) => to === "Q8_0")).toHaveLength(14);
    const { made } = await converted(model, "gguf:auto");
    const { tensors } = await verifyModels(model, made);
    expect(tensors.every(({ equal }) => equal)).toBe(true);
  });
});

it("symmetric bytes with scales that are f16 numbers become Q8_0 exactly, and w8a8 keeps those of Q8_0", async () => {
  const weights = { num_bits: 8, type: "int", strategy: "channel", symmetric: true };
  const { store } = await reportCase({
    projection: () => int8(true),
    config: {
      quantization_config: {
        quant_method: "compressed-tensors",
        format: "int-quantized",
        config_groups: { group_0: { targets: ["Linear"], weights } },
      },
    },
  });
  const model = await openModel({ store });
  const plan = await planConversion(model, parseTarget("gguf:q8_0"));
  const packed = plan.tensors.filter(({ from }) => from.startsWith("CT-int8"));
  expect(packed.length).toBeGreaterThan(0);
  expect(packed.map(({ fidelity, to }) => `${fidelity} ${to}`)).toEqual(packed.map(() => "exact Q8_0"));
  const { made } = await converted(model, "gguf:q8_0");
  const back = await planConversion(made, parseTarget("compressed-tensors:w8a8"));
  expect(back.tensors.filter(({ to }) => to.startsWith("CT-int8"))[0]).toMatchObject({ fidelity: "exact" });
  expect(SIDE).toBe(32);
});

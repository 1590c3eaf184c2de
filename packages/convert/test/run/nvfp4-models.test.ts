/**
 * A small trained model as ModelOpt writes it in NVFP4. Oracles: what llama.cpp's converter makes of the same directory, and
 * the weights that ModelOpt itself computes (the golden set's manifest).
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Model,
  openModel,
  parseTarget,
  planConversion,
  runPlan,
  verifyModels,
} from "../../src/index.ts";

const root = join(process.env["REQUANT_GOLDEN"] ?? "", "neighbours");
const isThere = process.env["REQUANT_GOLDEN"] !== undefined && existsSync(join(root, "manifest.json"));

interface Manifest {
  readonly models: readonly {
    readonly id: string;
    readonly weights: Readonly<Record<string, { sha256_f32: string; dtype: string }>>;
  }[];
  readonly "llama.cpp converter": {
    readonly models: Readonly<
      Record<
        string,
        Readonly<
          Record<
            string,
            {
              readonly tensors: Readonly<
                Record<string, readonly [type: string, shape: number[], sha256: string]>
              >;
              readonly kv: Readonly<Record<string, number>>;
            }
          >
        >
      >
    >;
  };
}

const manifest = isThere
  ? (JSON.parse(readFileSync(join(root, "manifest.json"), "utf8")) as Manifest)
  : undefined;

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

let outputs = 0;

async function converted(model: Model, target: string, exact = false): Promise<Model> {
  const store = memoryStore({ name: `out${++outputs}` });
  const plan = await planConversion(model, parseTarget(target), { outputName: "o", exact });
  await runPlan(plan, model, store);
  return target.startsWith("gguf") ? openModel({ store, file: "o.gguf" }) : openModel({ store });
}

describe.skipIf(!isThere)("NVFP4 of ModelOpt (skipped: REQUANT_GOLDEN is not set)", () => {
  let source: Model;
  beforeAll(async () => {
    source = await openModel({ store: directoryStore(join(root, "models", "modelopt-nvfp4")) });
  });
  afterAll(() => source.close());

  it("is recognised, and nothing about it is doubtful", () => {
    expect(source.format).toBe("nvfp4");
    expect(source.unclaimed).toEqual([]);
    expect(source.findings.filter(({ severity }) => severity !== "note")).toEqual([]);
    expect(source.tensors.filter(({ linear }) => linear !== undefined)).toHaveLength(14);
  });

  it.each(["f32", "bf16"])("gguf:%s has the tensors of llama.cpp's converter, in its order", async (type) => {
    const expected = manifest?.["llama.cpp converter"].models["modelopt-nvfp4"]?.[`--outtype ${type}`];
    const made = await converted(source, `gguf:${type}`);
    const tensors = await Promise.all(
      made.storedTensors.map(async ({ name, encoding, shape, byteLength }) => [
        name,
        [encoding, [...shape].reverse(), sha256(await made.readBytes(name, 0, byteLength))],
      ]),
    );
    expect(tensors).toEqual(Object.entries(expected?.tensors ?? {}));
    expect(made.gguf?.metadata.get("general.file_type")?.value).toBe(expected?.kv["general.file_type"]);
  });

  it("gguf:auto keeps every weight exactly, and reads back as the same values", async () => {
    const made = await converted(source, "gguf:auto", true);
    const types = new Set(
      made.tensors
        .filter(({ name }) => /blk.*(attn_[qkvo]|ffn_[gud])[a-z]*\.weight/.test(name))
        .map(({ encoding }) => encoding),
    );
    expect([...types]).toEqual(["NVFP4"]);
    expect(await verifyModels(source, made)).toMatchObject({
      equal: true,
      onlyInA: [],
      onlyInB: [],
      shapesDiffer: [],
    });
  });

  it("safetensors:bf16 has the weights that ModelOpt computes", async () => {
    const made = await converted(source, "safetensors:bf16");
    const { weights = {} } = manifest?.models.find(({ id }) => id === "modelopt-nvfp4") ?? {};
    expect(made.tensors.map(({ name }) => name).sort()).toEqual(Object.keys(weights).sort());
    for (const { name, shape } of made.tensors) {
      const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
      await made.weight(name).readRows(0, values.length / (shape.at(-1) ?? 1), values);
      // ModelOpt has +0 for the code of −0
      const unsigned = values.map((value) => value + 0);
      expect([name, sha256(new Uint8Array(unsigned.buffer))]).toEqual([name, weights[name]?.sha256_f32]);
    }
  });

  it("nvfp4:modelopt is a copy, part by part", async () => {
    const plan = await planConversion(source, parseTarget("nvfp4:modelopt"));
    expect(new Set(plan.tensors.map(({ fidelity }) => fidelity))).toEqual(new Set(["copy"]));
    const made = await converted(source, "nvfp4:modelopt");
    for (const { name, byteLength } of source.storedTensors) {
      const [own, theirs] = await Promise.all(
        [made, source].map((model) => model.readBytes(name, 0, byteLength)),
      );
      expect(Buffer.compare(own ?? Buffer.of(), theirs ?? Buffer.of(1)), name).toBe(0);
    }
  });

  it("a GGUF with scales of whole weights becomes floats, and other types, with the same weights", async () => {
    const gguf = await converted(source, "gguf:auto");
    const floats = await converted(gguf, "safetensors:f32");
    expect(floats.tensors.map(({ name }) => name).filter((name) => name.endsWith("scale"))).toEqual([]);
    expect(await verifyModels(source, floats)).toMatchObject({ equal: true, onlyInA: [], onlyInB: [] });
    const bf16 = await planConversion(gguf, parseTarget("safetensors:bf16"));
    expect(bf16.tensors.filter(({ from }) => from === "NVFP4").map(({ fidelity }) => fidelity)).toEqual(
      Array(14).fill("float"),
    );
    const options = { allowRequantize: true, outputName: "o" };
    const requantized = await planConversion(gguf, parseTarget("gguf:q8_0"), options);
    expect(requantized.tensors.filter(({ name }) => name.endsWith("scale"))).toEqual([]);
    const store = memoryStore({ name: "q8_0" });
    await runPlan(requantized, gguf, store);
    const { tensors } = await verifyModels(source, await openModel({ store, file: "o.gguf" }));
    for (const { name, relativeRmse } of tensors) expect(relativeRmse, name).toBeLessThan(0.02);
  });

  it("nvfp4:modelopt from floats is read again with the weights that it was planned to have", async () => {
    const floats = await converted(source, "safetensors:f32");
    const written = await converted(floats, "nvfp4:modelopt");
    expect(written.format).toBe("nvfp4");
    expect(written.tensors.filter(({ linear }) => linear !== undefined)).toHaveLength(14);
    // codes of a step are rounded to themselves
    const again = await converted(await converted(written, "safetensors:f32"), "nvfp4:modelopt");
    const { equal, onlyInA, onlyInB } = await verifyModels(written, again);
    expect({ equal, onlyInA, onlyInB }).toEqual({ equal: true, onlyInA: [], onlyInB: [] });
  });
});

const mixture = join(root, "..", "arch", "hf", "Qwen3-MoE-Tiny");
describe.skipIf(!existsSync(mixture))("a mixture in NVFP4 (skipped: REQUANT_GOLDEN is not set)", () => {
  it("has one scale for each expert in GGUF, and reads back with the same weights", async () => {
    const floats = await openModel({ store: directoryStore(mixture) });
    const packed = await converted(floats, "nvfp4:modelopt");
    const gguf = await converted(packed, "gguf:auto");
    const experts = gguf.storedTensors.filter(({ name }) => /_exps\.scale$/.test(name));
    expect(experts.length).toBeGreaterThan(0);
    const { tensors, onlyInA, onlyInB } = await verifyModels(packed, gguf);
    expect({ onlyInA, onlyInB }).toEqual({ onlyInA: [], onlyInB: [] });
    expect(tensors.filter(({ equal }) => !equal)).toEqual([]);
    const back = await converted(gguf, "safetensors:f32");
    expect((await verifyModels(packed, back)).equal).toBe(true);
    await floats.close();
  });
});

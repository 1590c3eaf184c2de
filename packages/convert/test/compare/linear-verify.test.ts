/** `verify` on directories that were broken on purpose, as the tools of the trade break them. */
import { type MemoryStore, memoryStore } from "@requant/core";
import { openSafetensors, writeSafetensors } from "@requant/safetensors";
import { describe, expect, it } from "vitest";
import {
  openModel,
  parseTarget,
  planConversion,
  runPlan,
  type VerifiedTensor,
  verifyModels,
} from "../../src/index.ts";
import { floatDirectory, linearModules, packedDirectory } from "../run/packed-models.ts";

type Tensors = Map<string, { name: string; encoding: string; shape: readonly number[]; bytes: Uint8Array }>;

async function edited(source: MemoryStore, edit: (tensors: Tensors) => void): Promise<MemoryStore> {
  const set = await openSafetensors(source);
  const tensors: Tensors = new Map();
  for (const tensor of set.tensors) {
    const { name, encoding, shape } = tensor;
    tensors.set(name, {
      name,
      encoding,
      shape,
      bytes: (await set.read(tensor, 0, tensor.byteLength)).slice(),
    });
  }
  edit(tensors);
  const store = memoryStore({ name: "broken" });
  for (const [name, bytes] of source.files) if (!name.endsWith(".safetensors")) store.files.set(name, bytes);
  const sink = await store.create("model.safetensors");
  await writeSafetensors(
    sink,
    [...tensors.values()].map(({ bytes, ...tensor }) => ({ ...tensor, data: [bytes] })),
  );
  await sink.close();
  return store;
}

function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

async function quantized(target: string): Promise<{ original: MemoryStore; store: MemoryStore }> {
  const original = await floatDirectory("F32");
  const model = await openModel({ store: original });
  const store = memoryStore({ name: "quantized" });
  await runPlan(await planConversion(model, parseTarget(target)), model, store);
  return { original, store };
}

async function differing(a: MemoryStore, b: MemoryStore, tolerance = 0): Promise<VerifiedTensor[]> {
  const report = await verifyModels(await openModel({ store: a }), await openModel({ store: b }), {
    tolerance,
  });
  return report.tensors.filter(({ ok }) => !ok);
}

function expectAll(found: readonly VerifiedTensor[], text: RegExp): void {
  expect(found).toHaveLength(linearModules.length);
  for (const { name, diagnosis } of found)
    expect([name, diagnosis?.message]).toEqual([name, expect.stringMatching(text)]);
}

describe("zero point off by one: z where z − 1 belongs", () => {
  const off = (tensors: Tensors): void => {
    for (const [module] of linearModules) {
      const qzeros = words(tensors.get(`${module}.qzeros`)?.bytes ?? new Uint8Array(0));
      for (let i = 0; i < qzeros.length; i++) qzeros[i] = (qzeros[i] ?? 0) + 0x11111111;
    }
  };

  it.each([[false], [true]])("GPTQ against the right GPTQ (act-order: %j)", async (actOrder) => {
    const source = await packedDirectory("gptq", ["4bit", "128g", "asym", "v1"], {
      bits: 4,
      groupSize: 128,
      sym: false,
      actOrder,
      minZero: 2,
    });
    // fields of 14 at most, so that adding one carries nowhere
    expectAll(await differing(source, await edited(source, off)), /^Zero point: .* off by one/);
  });

  it("GPTQ against the original in floats", async () => {
    const { original, store } = await quantized("gptq:4bit-64g-asym-v1");
    expectAll(await differing(original, await edited(store, off), 0.2), /^Zero point/);
  });
});

describe("AWQ order not undone", () => {
  const ORDER = [0, 2, 4, 6, 1, 3, 5, 7];
  /** The nibbles of each word in natural order, as a packer that knows no ORDER writes them. */
  const unordered = (tensors: Tensors): void => {
    for (const [module] of linearModules) {
      for (const suffix of ["qweight", "qzeros"]) {
        const found = words(tensors.get(`${module}.${suffix}`)?.bytes ?? new Uint8Array(0));
        for (let i = 0; i < found.length; i++) {
          const word = found[i] ?? 0;
          let plain = 0;
          for (let nibble = 0; nibble < 8; nibble++) {
            plain |= ((word >>> (4 * nibble)) & 15) << (4 * (ORDER[nibble] ?? 0));
          }
          found[i] = plain;
        }
      }
    }
  };

  it("against the right AWQ, and against the original", async () => {
    const { original, store } = await quantized("awq:gemm-128g");
    const broken = await edited(store, unordered);
    expectAll(await differing(store, broken), /^AWQ order/);
    expectAll(await differing(original, broken, 0.2), /^AWQ order/);
  });
});

describe("act-order ignored", () => {
  it("g_idx replaced by consecutive groups", async () => {
    const source = await packedDirectory("gptq", ["4bit", "64g", "sym", "v1"], {
      bits: 4,
      groupSize: 64,
      sym: true,
      actOrder: true,
    });
    const broken = await edited(source, (tensors) => {
      for (const [module] of linearModules) {
        const index = words(tensors.get(`${module}.g_idx`)?.bytes ?? new Uint8Array(0));
        for (let i = 0; i < index.length; i++) index[i] = Math.floor(i / 64);
      }
    });
    expectAll(await differing(source, broken), /^Act-order ignored: the second model/);
    expectAll(await differing(broken, source), /^Act-order ignored: the first model/);
  });
});

describe("rows and columns", () => {
  it("q and k not permuted on the way to GGUF", async () => {
    const { store } = await quantized("gptq:4bit-128g-sym");
    const model = await openModel({ store });
    const plan = await planConversion(model, parseTarget("gguf:q4_0"), { outputName: "wrong" });
    const out = memoryStore({ name: "out" });
    await runPlan(
      {
        ...plan,
        tensors: plan.tensors.map((tensor) =>
          /attn_[qk]\.weight$/.test(tensor.name)
            ? {
                ...tensor,
                inputs: tensor.inputs.map((input) => ("tensor" in input ? { tensor: input.tensor } : input)),
              }
            : tensor,
        ),
      },
      model,
      out,
    );
    const wrong = await openModel({ store: out, file: "wrong.gguf" });
    const report = await verifyModels(model, wrong, { tolerance: 0.2 });
    const found = report.tensors.filter(({ ok }) => !ok);
    expect(found.map(({ name }) => name)).toEqual(["blk.0.attn_k.weight", "blk.0.attn_q.weight"]);
    for (const { diagnosis } of found) expect(diagnosis?.message).toMatch(/^Rows permuted/);
  });

  it("matrices that were not turned, square or not", async () => {
    const original = await floatDirectory("F32");
    const turned = await edited(original, (tensors) => {
      for (const [module, rows, columns] of linearModules) {
        const tensor = tensors.get(`${module}.weight`);
        if (tensor === undefined) continue;
        const values = new Float32Array(tensor.bytes.buffer, tensor.bytes.byteOffset, rows * columns);
        const flipped = Float32Array.from(
          values,
          (_, i) => values[(i % rows) * columns + Math.floor(i / rows)] ?? 0,
        );
        tensors.set(tensor.name, { ...tensor, bytes: new Uint8Array(flipped.buffer) });
      }
    });
    expectAll(await differing(original, turned), /^Transposed/);
  });

  it("a turned shape is named as such", async () => {
    const original = await floatDirectory("F32");
    const turned = await edited(original, (tensors) => {
      for (const tensor of tensors.values()) {
        if (tensor.name.endsWith("up_proj.weight")) {
          tensors.set(tensor.name, { ...tensor, shape: [...tensor.shape].reverse() });
        }
      }
    });
    const report = await verifyModels(
      await openModel({ store: original }),
      await openModel({ store: turned }),
    );
    expect(report.shapesDiffer).toMatchObject([
      { diagnosis: { code: "transposed", message: expect.stringMatching(/^Transposed/) } },
    ]);
  });
});

it("nothing is diagnosed where weights were only rounded", async () => {
  const { original, store } = await quantized("gptq:4bit-128g-sym");
  const found = await differing(original, store);
  expect(found).toHaveLength(linearModules.length);
  expect(found.map(({ diagnosis }) => diagnosis)).toEqual(found.map(() => undefined));
});

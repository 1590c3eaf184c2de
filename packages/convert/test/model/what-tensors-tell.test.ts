/**
 * Checkpoints whose tensors tell everything, in forms that few tools write. The oracle of each is the same model in the
 * usual form: all values are equal.
 */
import { halfToFloat, type MemoryStore, memoryStore } from "@requant/core";
import { openSafetensors, writeSafetensors } from "@requant/safetensors";
import { describe, expect, it, test } from "vitest";
import {
  inspectModel,
  type Model,
  openModel,
  parseTarget,
  planConversion,
  runPlan,
  verifyModels,
} from "../../src/index.ts";
import { floatDirectory, linearModules, packedDirectory } from "../run/packed-models.ts";

const MODULE = "model.layers.0.self_attn.q_proj";

interface Part {
  readonly name: string;
  readonly encoding: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

interface Edited {
  readonly tensors: Map<string, Part>;
  readonly config: Record<string, unknown>;
}

/** The same directory with its tensors, and its configuration, changed. */
async function changed(source: MemoryStore, edit: (model: Edited) => void): Promise<MemoryStore> {
  const set = await openSafetensors(source);
  const tensors = new Map<string, Part>();
  for (const { name, encoding, shape } of set.tensors) {
    const tensor = set.tensors.find((one) => one.name === name);
    if (tensor === undefined) continue;
    tensors.set(name, {
      name,
      encoding,
      shape,
      bytes: (await set.read(tensor, 0, tensor.byteLength)).slice(),
    });
  }
  const config = JSON.parse(new TextDecoder().decode(source.files.get("config.json")));
  edit({ tensors, config });
  const store = memoryStore({ name: "changed" });
  for (const [name, bytes] of source.files) if (!name.endsWith(".safetensors")) store.files.set(name, bytes);
  store.files.set("config.json", new TextEncoder().encode(JSON.stringify(config)));
  store.files.delete("quantize_config.json");
  const sink = await store.create("model.safetensors");
  await writeSafetensors(
    sink,
    [...tensors.values()].map(({ bytes, ...tensor }) => ({ ...tensor, data: [bytes] })),
  );
  await sink.close();
  return store;
}

/** Every part with this suffix, changed; undefined leaves it out. */
function eachPart(
  { tensors }: Edited,
  suffix: string,
  change: (part: Part, module: string) => Part | undefined,
): void {
  let count = 0;
  for (const [module] of linearModules) {
    const name = `${module}.${suffix}`;
    const part = tensors.get(name);
    if (part === undefined) continue;
    count += 1;
    const made = change(part, module);
    if (made === undefined) tensors.delete(name);
    else tensors.set(name, made);
  }
  expect(count).toBe(linearModules.length);
}

const int32 = (bytes: Uint8Array): Int32Array => new Int32Array(bytes.slice().buffer);
const bytesOf = (numbers: Int32Array | BigInt64Array | Int8Array | Uint32Array): Uint8Array =>
  new Uint8Array(numbers.buffer);

function asInt64(part: Part): Part {
  return { ...part, encoding: "I64", bytes: bytesOf(BigInt64Array.from(int32(part.bytes), BigInt)) };
}

async function isSame(a: MemoryStore, b: MemoryStore): Promise<boolean> {
  const [left, right] = [await openModel({ store: a }), await openModel({ store: b })];
  const { equal, tensors } = await verifyModels(left, right);
  expect(tensors.length).toBeGreaterThanOrEqual(left.tensors.length);
  return equal;
}

const sym = { bits: 4, groupSize: 128, sym: true };
const gptq = (): Promise<MemoryStore> => packedDirectory("gptq", ["4bit", "128g", "sym", "v1"], sym);
const claim = (model: Edited): Record<string, unknown> =>
  model.config["quantization_config"] as Record<string, unknown>;

describe("GPTQ", () => {
  const without: Readonly<Record<string, (part: Part) => Part | undefined>> = {
    absent: () => undefined,
    empty: (part) => ({ ...part, shape: [part.shape[0] ?? 0, 0], bytes: new Uint8Array(0) }),
  };

  test.each(Object.keys(without))("symmetric, qzeros %s", async (kind) => {
    const source = await gptq();
    const change = without[kind] ?? (() => undefined);
    const odd = await changed(source, (model) => eachPart(model, "qzeros", change));
    expect(await isSame(source, odd)).toBe(true);
    // written again, it has the zero points that every reader wants, and the same codes
    const model = await openModel({ store: odd });
    const out = memoryStore({ name: "out" });
    await runPlan(
      await planConversion(model, parseTarget("gptq:4bit-128g-sym-v1"), { exact: true }),
      model,
      out,
    );
    expect(await isSame(source, out)).toBe(true);
    expect((await openSafetensors(out)).tensors.some(({ name }) => name === `${MODULE}.qzeros`)).toBe(true);
    const { measured } = await inspectModel(model);
    expect(measured.find(({ label }) => label === "zero points and packing")?.measured).toBe(
      "no zero points",
    );
  });

  test("asymmetric without qzeros is refused", async () => {
    const odd = await changed(await gptq(), (model) => {
      eachPart(model, "qzeros", () => undefined);
      claim(model)["sym"] = false;
    });
    await expect(openModel({ store: odd })).rejects.toMatchObject({
      code: "FORMAT",
      message: expect.stringContaining(
        "missing or empty, and the configuration says that the weights are asymmetric",
      ),
    });
  });

  test("without qzeros and a configuration, g_idx tells the width", async () => {
    const source = await gptq();
    const odd = await changed(source, (model) => {
      eachPart(model, "qzeros", () => undefined);
      delete model.config["quantization_config"];
    });
    expect(await isSame(source, odd)).toBe(true);
  });

  test("zero points of 0 in a symmetric weight: read, and what vLLM makes of them is said", async () => {
    const odd = await changed(await gptq(), (model) =>
      eachPart(model, "qzeros", (part) => ({ ...part, bytes: new Uint8Array(part.bytes.length) })),
    );
    const { findings } = await planConversion(await openModel({ store: odd }), parseTarget("gguf:f32"));
    expect(findings.map(({ message }) => message).join(" ")).toContain(
      "vLLM takes no notice of them and reads all as 8",
    );
  });

  test("g_idx of 64 bits, with act-order", async () => {
    const source = await packedDirectory("gptq", ["4bit", "128g", "sym", "v1"], { ...sym, actOrder: true });
    const odd = await changed(source, (model) => eachPart(model, "g_idx", asInt64));
    expect(await isSame(source, odd)).toBe(true);
  });

  test("numbers as text, and a group size of 0, which is said", async () => {
    const source = await packedDirectory("gptq", ["4bit", "colg", "sym", "v1"], { ...sym, groupSize: -1 });
    const odd = await changed(source, (model) => {
      claim(model)["bits"] = "4";
      claim(model)["group_size"] = 0;
    });
    expect(await isSame(source, odd)).toBe(true);
    expect((await openModel({ store: odd })).findings).toMatchObject([
      {
        code: "quantization-config",
        severity: "warning",
        message: expect.stringContaining("says group_size 0"),
      },
    ]);
  });

  test("settings in text-generation-inference's tensors", async () => {
    const source = await packedDirectory("gptq", ["4bit", "128g", "sym", "v1"], sym);
    const settings = (bits: number) => (model: Edited) => {
      for (const [name, value] of [
        ["gptq_bits", bits],
        ["gptq_groupsize", 128],
        ["gptq_sym", 1],
      ] as const) {
        const bytes = bytesOf(BigInt64Array.of(BigInt(value)));
        model.tensors.set(name, { name, encoding: "I64", shape: [1], bytes });
      }
    };
    const odd = await changed(source, (model) => {
      settings(4)(model);
      delete model.config["quantization_config"];
    });
    const model = await openModel({ store: odd });
    expect(model.claims).toMatchObject({ method: "gptq", bits: 4, groupSize: 128, symmetric: true });
    expect(model.tensors.map(({ name }) => name).filter((name) => name.startsWith("gptq_"))).toEqual([]);
    for (const target of ["safetensors:f32", "gguf:auto", "awq:gemm-128g"]) {
      const { tensors } = await planConversion(model, parseTarget(target));
      expect(tensors.some(({ name }) => name.startsWith("gptq_"))).toBe(false);
    }
    expect(await isSame(source, odd)).toBe(true);
    const contrary = await openModel({ store: await changed(source, settings(8)) });
    expect(contrary.findings.map(({ message }) => message)).toEqual([
      expect.stringContaining("says bits 4, and a tensor of settings says 8; the configuration is used"),
    ]);
  });
});

/** Codes of a bit stream, to words that each hold as many as fit. */
function toLoose(words: Int32Array, count: number, bits: number): Int32Array {
  const perWord = Math.floor(32 / bits);
  const loose = new Int32Array(Math.ceil(count / perWord));
  for (let i = 0; i < count; i++) {
    let code = 0;
    for (let bit = 0; bit < bits; bit++) {
      const at = i * bits + bit;
      code |= (((words[at >>> 5] ?? 0) >>> (at & 31)) & 1) << bit;
    }
    const word = Math.floor(i / perWord);
    loose[word] = (loose[word] ?? 0) | (code << (bits * (i % perWord)));
  }
  return loose;
}

/** Streams along the last axis. */
function looseRows(
  { shape: [rows = 0, width = 0], bytes, ...part }: Part,
  count: number,
  bits: number,
): Part {
  const words = int32(bytes);
  const made = Array.from({ length: rows }, (_, row) =>
    toLoose(words.subarray(row * width, (row + 1) * width), count, bits),
  );
  return {
    ...part,
    shape: [rows, made[0]?.length ?? 0],
    bytes: bytesOf(Int32Array.from(made.flatMap((row) => [...row]))),
  };
}

function transposed({ shape: [rows = 0, columns = 0], bytes, ...part }: Part): Part {
  const words = int32(bytes);
  const out = Int32Array.from(words, (_, i) => words[(i % rows) * columns + Math.floor(i / rows)] ?? 0);
  return { ...part, shape: [columns, rows], bytes: bytesOf(out) };
}

const rowsOf = (module: string): number => linearModules.find(([name]) => name === module)?.[1] ?? 0;
const columnsOf = (module: string): number => linearModules.find(([name]) => name === module)?.[2] ?? 0;

describe("compressed-tensors", () => {
  const ct = (bits: number, symmetric: boolean, groupSize = 128): Promise<MemoryStore> =>
    packedDirectory(
      "compressed-tensors",
      [`${bits}bit`, groupSize === -1 ? "colg" : `${groupSize}g`, symmetric ? "sym" : "asym"],
      { bits, groupSize, sym: symmetric },
    );

  test.each([4, 3])("weight_shape of 32 bits, %d-bit codes", async (bits) => {
    const source = await ct(bits, true);
    const odd = await changed(source, (model) =>
      eachPart(model, "weight_shape", (part) => {
        const [rows = 0, , columns = 0] = int32(part.bytes);
        return { ...part, encoding: "I32", bytes: bytesOf(Int32Array.of(rows, columns)) };
      }),
    );
    expect(await isSame(source, odd)).toBe(true);
  });

  test("unpacked zero points of 8 bits", async () => {
    const source = await ct(4, false);
    const odd = await changed(source, (model) =>
      eachPart(model, "weight_zero_point", (part, module) => {
        const rows = rowsOf(module);
        const [, groups = 0] = part.shape;
        const words = int32(part.bytes);
        const zeros = Int8Array.from({ length: rows * groups }, (_, i) => {
          const [row, group] = [Math.floor(i / groups), i % groups];
          return (((words[(row >>> 3) * groups + group] ?? 0) >>> (4 * (row % 8))) & 15) - 8;
        });
        return { ...part, encoding: "I8", shape: [rows, groups], bytes: bytesOf(zeros) };
      }),
    );
    expect(await isSame(source, odd)).toBe(true);
  });

  test("asymmetric without zero points: all are 0, as old versions leave them out, which is said", async () => {
    const source = await ct(4, true);
    const asymmetric = (version: string): ReturnType<typeof changed> =>
      changed(source, (model) => {
        const { group_0: group } = claim(model)["config_groups"] as Record<string, Record<string, object>>;
        Object.assign(group?.["weights"] ?? {}, { symmetric: false });
        Object.assign(claim(model), { version });
      });
    const odd = await asymmetric("0.9.3");
    expect(await isSame(source, odd)).toBe(true);
    const { findings } = await planConversion(await openModel({ store: odd }), parseTarget("gguf:f32"));
    expect(findings.map(({ message }) => message).join(" ")).toContain(
      "left it out where all zero points were 0, so they are read as 0",
    );
    // newer versions store them always
    await expect(isSame(source, await asymmetric("0.9.4"))).rejects.toMatchObject({
      message: expect.stringContaining("the part weight_zero_point is missing"),
    });
  });

  test("zero points of 8 bits that are no codes are refused", async () => {
    const odd = await changed(await ct(4, true), (model) => {
      eachPart(model, "weight_scale", (part, module) => {
        const zeros = new Int8Array(part.shape[0]! * part.shape[1]!).fill(9);
        const name = `${module}.weight_zero_point`;
        model.tensors.set(name, { name, encoding: "I8", shape: part.shape, bytes: bytesOf(zeros) });
        return part;
      });
    });
    const model = await openModel({ store: odd });
    await expect(planConversion(model, parseTarget("gguf:f32"))).rejects.toMatchObject({
      message: expect.stringContaining("weight_zero_point has 9 in row 0; -8 to 7 exist with 4 bits."),
    });
  });

  test.each([
    [3, true, 128],
    [3, false, 128],
    [5, false, 64],
    [6, true, 128],
    [6, false, 128],
    [3, true, -1],
  ])("%d-bit codes in loose words, symmetric %s, groups of %d", async (bits, symmetric, groupSize) => {
    const source = await ct(bits, symmetric, groupSize);
    const odd = await changed(source, (model) => {
      eachPart(model, "weight_packed", (part, module) => looseRows(part, columnsOf(module), bits));
      if (symmetric) return;
      eachPart(model, "weight_zero_point", (part, module) =>
        transposed(looseRows(transposed(part), rowsOf(module), bits)),
      );
    });
    expect(await isSame(source, odd)).toBe(true);
    // today's versions write one stream
    const model = await openModel({ store: odd });
    const out = memoryStore({ name: "out" });
    const words = `${bits}bit-${groupSize === -1 ? "colg" : `${groupSize}g`}-${symmetric ? "sym" : "asym"}`;
    const plan = await planConversion(model, parseTarget(`compressed-tensors:${words}`), { exact: true });
    await runPlan(plan, model, out);
    const packed = (store: MemoryStore): Promise<readonly number[] | undefined> =>
      openSafetensors(store).then(
        ({ tensors }) => tensors.find(({ name }) => name === `${MODULE}.weight_packed`)?.shape,
      );
    expect(await packed(out)).toEqual(await packed(source));
    expect(await isSame(source, out)).toBe(true);
  });

  test("of mixed groups each is read in its own format", async () => {
    let scales = new Uint16Array();
    const odd = await changed(await ct(4, true), (model) => {
      const config = claim(model);
      const { group_0: own } = config["config_groups"] as Record<string, object>;
      config["format"] = "mixed-precision";
      config["config_groups"] = {
        group_0: {
          format: "float-quantized",
          targets: ["re:.*self_attn.*"],
          weights: { num_bits: 8, type: "float", strategy: "channel", symmetric: true },
          input_activations: { num_bits: 8, type: "float" },
        },
        group_1: { ...own, format: "pack-quantized", targets: ["re:.*mlp.*"] },
      };
      for (const [module, rows, columns] of linearModules.filter(([name]) => name.includes("self_attn"))) {
        for (const suffix of ["weight_packed", "weight_shape"]) model.tensors.delete(`${module}.${suffix}`);
        const name = `${module}.weight`;
        // 0x38 is 1
        const bytes = new Uint8Array(rows * columns).fill(0x38);
        const scale = model.tensors.get(`${module}.weight_scale`);
        if (module.endsWith("k_proj")) scales = new Uint16Array(scale?.bytes.slice().buffer ?? []);
        model.tensors.set(name, { name, encoding: "F8_E4M3", shape: [rows, columns], bytes });
      }
    });
    const model = await openModel({ store: odd });
    expect(model.tensor("model.layers.0.mlp.up_proj.weight").encoding).toBe("CT-4bit-128g");
    const row = new Float32Array(256);
    await model.weight("model.layers.0.mlp.up_proj.weight").readRows(0, 1, row);
    expect(new Set(row).size).toBeGreaterThan(8);
    await model.weight("model.layers.0.self_attn.k_proj.weight").readRows(0, 1, row);
    expect(scales.length).toBeGreaterThan(1);
    expect([...row]).toEqual(Array.from(row, (_, column) => halfToFloat(scales[Math.floor(column / 128)]!)));
    await planConversion(model, parseTarget("gguf:f32"));
  });
});

describe("scales of a quantized key-value cache", () => {
  const withScales = async (): Promise<Model> => {
    const store = await changed(await gptq(), ({ tensors }) => {
      for (const name of ["model.layers.0.self_attn.k_scale", "model.layers.0.self_attn.v_proj.v_scale"]) {
        tensors.set(name, { name, encoding: "F32", shape: [1], bytes: new Uint8Array([0, 0, 128, 63]) });
      }
    });
    return openModel({ store });
  };

  it("have no place in a GGUF, which is said", async () => {
    const { leftOut } = await planConversion(await withScales(), parseTarget("gguf:auto"));
    expect(
      leftOut.filter(({ reason }) => reason.includes("key-value cache")).map(({ name }) => name),
    ).toEqual(["model.layers.0.self_attn.k_scale", "model.layers.0.self_attn.v_proj.v_scale"]);
  });

  test.each(["safetensors:f32", "awq:gemm-128g"])("stay in %s", async (target) => {
    const { tensors } = await planConversion(await withScales(), parseTarget(target));
    expect(tensors.filter(({ name }) => name.endsWith("_scale"))).toMatchObject([
      { name: "model.layers.0.self_attn.k_scale", to: "F32", fidelity: "copy" },
      { name: "model.layers.0.self_attn.v_proj.v_scale", to: "F32", fidelity: "copy" },
    ]);
  });
});

test("a bare LlamaModel is a Llama with tied embeddings", async () => {
  const source = await floatDirectory("F16");
  const bare = await changed(source, ({ tensors, config }) => {
    config["architectures"] = ["LlamaModel"];
    tensors.delete("lm_head.weight");
    for (const [name, part] of [...tensors]) {
      tensors.delete(name);
      const own = name.replace(/^model\./, "");
      tensors.set(own, { ...part, name: own });
    }
  });
  const { tensors } = await planConversion(await openModel({ store: bare }), parseTarget("gguf:f32"));
  const whole = await planConversion(await openModel({ store: source }), parseTarget("gguf:f32"));
  expect(tensors.map(({ name }) => name)).toEqual(
    whole.tensors.map(({ name }) => name).filter((name) => name !== "output.weight"),
  );
});

test("a tensor of nine dimensions", async () => {
  const shape = [1, 2, 1, 1, 1, 1, 1, 1, 2];
  const bytes = new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer);
  const source = await changed(await floatDirectory("F32"), ({ tensors }) => {
    tensors.set("deep", { name: "deep", encoding: "F32", shape, bytes });
  });
  const model = await openModel({ store: source });
  const out = memoryStore({ name: "out" });
  await runPlan(await planConversion(model, parseTarget("safetensors:f32")), model, out);
  const set = await openSafetensors(out);
  const found = set.tensors.find(({ name }) => name === "deep");
  expect(found?.shape).toEqual(shape);
  expect(found === undefined ? undefined : await set.read(found, 0, 16)).toEqual(bytes);
});

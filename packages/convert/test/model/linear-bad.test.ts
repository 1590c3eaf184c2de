/** Packed directories that contradict themselves: each refusal names the module and what was expected. */
import { type MemoryStore, memoryStore } from "@requant/core";
import { openSafetensors, writeSafetensors } from "@requant/safetensors";
import { describe, expect, test } from "vitest";
import { inspectModel, openModel, parseTarget, planConversion, warningsOf } from "../../src/index.ts";
import { exl2Directory, packedDirectory } from "../run/packed-models.ts";

const MODULE = "model.layers.0.self_attn.q_proj";

interface Part {
  name: string;
  encoding: string;
  shape: readonly number[];
  bytes: Uint8Array;
}

/** The same directory with its tensors, and its configuration, changed. */
async function changed(
  source: MemoryStore,
  edit: (tensors: Map<string, Part>, config: Record<string, unknown>) => void,
): Promise<MemoryStore> {
  const set = await openSafetensors(source);
  const tensors = new Map<string, Part>();
  for (const tensor of set.tensors) {
    const bytes = (await set.read(tensor, 0, tensor.byteLength)).slice();
    tensors.set(tensor.name, { name: tensor.name, encoding: tensor.encoding, shape: tensor.shape, bytes });
  }
  const json = JSON.parse(new TextDecoder().decode(source.files.get("config.json")));
  edit(tensors, json);
  const store = memoryStore({ name: "changed" });
  for (const [name, bytes] of source.files) if (!name.endsWith(".safetensors")) store.files.set(name, bytes);
  store.files.set("config.json", new TextEncoder().encode(JSON.stringify(json)));
  const sink = await store.create(set.files[0]?.name ?? "model.safetensors");
  await writeSafetensors(
    sink,
    [...tensors.values()].map(({ bytes, ...tensor }) => ({ ...tensor, data: [bytes] })),
  );
  await sink.close();
  return store;
}

function part(tensors: Map<string, Part>, suffix: string): Part {
  const found = tensors.get(`${MODULE}.${suffix}`);
  if (found === undefined) throw new Error(`no ${suffix}`);
  return found;
}

/** Opens and measures: what every command does. */
async function refusal(store: MemoryStore): Promise<{ code: string; message: string; tensor: string }> {
  try {
    const model = await openModel({ store });
    await planConversion(model, parseTarget("gguf:auto"));
  } catch (error) {
    return error as { code: string; message: string; tensor: string };
  }
  throw new Error("it was accepted");
}

const gptq = () =>
  packedDirectory("gptq", ["4bit", "128g", "sym", "v1"], {
    bits: 4,
    groupSize: 128,
    sym: true,
    actOrder: true,
  });
const awq = () => packedDirectory("awq", ["gemm", "128g"], { bits: 4, groupSize: 128, sym: false });
const packed = () =>
  packedDirectory("compressed-tensors", ["4bit", "128g", "asym"], { bits: 4, groupSize: 128, sym: false });

function words(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

describe("GPTQ", () => {
  test.each<[string, (tensors: Map<string, Part>) => void, RegExp]>([
    ["no scales", (tensors) => tensors.delete(`${MODULE}.scales`), /scales is missing/],
    ["no qweight", (tensors) => tensors.delete(`${MODULE}.qweight`), /qweight is missing/],
    [
      "g_idx out of range",
      (tensors) => words(part(tensors, "g_idx").bytes).setInt32(40, 99, true),
      /g_idx puts column 10 into group 99; there are 2 groups/,
    ],
    [
      "negative g_idx",
      (tensors) => words(part(tensors, "g_idx").bytes).setInt32(0, -1, true),
      /g_idx puts column 0 into group -1/,
    ],
    [
      "a scale that is no number",
      (tensors) => words(part(tensors, "scales").bytes).setUint16(6, 0x7e00, true),
      /scale of row 3, group 0 is NaN/,
    ],
    [
      "an infinite scale",
      (tensors) => words(part(tensors, "scales").bytes).setUint16(0, 0x7c00, true),
      /scale of row 0, group 0 is Infinity/,
    ],
    [
      "scales of another shape",
      (tensors) => {
        const found = part(tensors, "scales");
        tensors.set(found.name, { ...found, shape: [found.shape[1] ?? 0, found.shape[0] ?? 0] });
      },
      /was expected/,
    ],
    [
      "g_idx of another length",
      (tensors) => {
        const found = part(tensors, "g_idx");
        tensors.set(found.name, { ...found, shape: [128], bytes: found.bytes.subarray(0, 512) });
      },
      /g_idx is I32 \[128\]; I32 \[256\] was expected/,
    ],
    [
      "floats and packed parts under one name",
      (tensors) =>
        tensors.set(`${MODULE}.weight`, {
          name: `${MODULE}.weight`,
          encoding: "F16",
          shape: [1],
          bytes: new Uint8Array(2),
        }),
      /both a float weight and packed parts/,
    ],
  ])("%s", async (_name, edit, message) => {
    const found = await refusal(await changed(await gptq(), edit));
    expect(found).toMatchObject({ code: "FORMAT", tensor: MODULE });
    expect(found.message).toMatch(message);
  });
});

describe("EXL2", () => {
  test.each<[string, (tensors: Map<string, Part>) => void, RegExp]>([
    [
      "q_groups that do not add up",
      (tensors) => words(part(tensors, "q_groups").bytes).setUint16(6, 3000, true),
      /^Group . of q_groups/,
    ],
    [
      "a width that does not exist",
      (tensors) => words(part(tensors, "q_groups").bytes).setUint16(0, 7, true),
      /7 bits .* none of 8, 6, 5, 4, 3, 2/,
    ],
    [
      "q_invperm that is no permutation",
      (tensors) => {
        const view = words(part(tensors, "q_invperm").bytes);
        view.setInt32(0, view.getInt32(4, true), true);
      },
      /permutation/,
    ],
    [
      "q_invperm beyond the columns",
      (tensors) => words(part(tensors, "q_invperm").bytes).setInt32(0, 100000, true),
      /permutation|100000/,
    ],
    [
      "q_scale_max that is no number",
      (tensors) => words(part(tensors, "q_scale_max").bytes).setUint16(0, 0x7e00, true),
      /NaN/,
    ],
    ["no q_scale", (tensors) => tensors.delete(`${MODULE}.q_scale`), /q_scale is missing/],
    ["no permutation", (tensors) => tensors.delete(`${MODULE}.q_invperm`), /q_perm is missing/],
  ])("%s", async (_name, edit, message) => {
    const found = await refusal(await changed(await exl2Directory([4, 3], true), edit));
    expect(found).toMatchObject({ code: "FORMAT", tensor: MODULE });
    expect(found.message).toMatch(message);
  });
});

describe("rules that a matcher which goes back would never be done with", () => {
  const evil = ["((a+))+b", "(?:a|a)*b", `${"a*".repeat(8)}b`];
  /** One module gets a name that the rules are made for. */
  const longName = (tensors: Map<string, Part>): void => {
    for (const [name, tensor] of [...tensors]) {
      if (!name.startsWith(`${MODULE}.`)) continue;
      tensors.delete(name);
      const long = name.replace(MODULE, `model.${"a".repeat(200)}`);
      tensors.set(long, { ...tensor, name: long });
    }
  };

  test.each([
    ["gptq", gptq, (rule: string) => ({ dynamic: { [`-:model\\.${rule}`]: {} } })],
    ["compressed-tensors", packed, (rule: string) => ({ ignore: [`re:model\\.${rule}`] })],
  ] as const)("%s answers soon", async (_, make, rules) => {
    for (const rule of evil) {
      const store = await changed(await make(), (tensors, json) => {
        longName(tensors);
        Object.assign(Object(json["quantization_config"]), rules(rule));
      });
      const started = process.cpuUsage();
      const model = await openModel({ store });
      expect((await inspectModel(model)).tensorCount).toBeGreaterThan(0);
      expect(process.cpuUsage(started).user).toBeLessThan(2e6);
    }
  });
});

describe("AWQ and compressed-tensors", () => {
  test("AWQ without scales", async () => {
    const found = await refusal(await changed(await awq(), (tensors) => tensors.delete(`${MODULE}.scales`)));
    expect(found).toMatchObject({
      code: "FORMAT",
      tensor: MODULE,
      message: expect.stringMatching(/scales is missing/),
    });
  });

  test("AWQ with zero points of another shape", async () => {
    const store = await changed(await awq(), (tensors) => {
      const found = part(tensors, "qzeros");
      tensors.set(found.name, { ...found, shape: [1, 64] });
    });
    expect(await refusal(store)).toMatchObject({ code: "FORMAT", tensor: MODULE });
  });

  test("compressed-tensors whose weight_shape says something else", async () => {
    const store = await changed(await packed(), (tensors) =>
      words(part(tensors, "weight_shape").bytes).setInt32(8, 128, true),
    );
    const found = await refusal(store);
    expect(found).toMatchObject({ code: "FORMAT", tensor: MODULE });
    expect(found.message).toMatch(/weight_shape says \[256, 128\]; the other parts hold \[256, 256\]/);
  });

  test("compressed-tensors without codes", async () => {
    const found = await refusal(
      await changed(await packed(), (tensors) => tensors.delete(`${MODULE}.weight_packed`)),
    );
    expect(found).toMatchObject({ code: "FORMAT", tensor: MODULE });
  });
});

describe("a configuration that disagrees: the tensors win, and it is said", () => {
  const said = async (store: MemoryStore): Promise<{ warnings: readonly string[]; format: string }> => {
    const model = await openModel({ store });
    const { findings } = await inspectModel(model);
    return { warnings: warningsOf(findings).map(({ message }) => message), format: model.format };
  };
  const quantization = (json: Record<string, unknown>): Record<string, unknown> =>
    json["quantization_config"] as Record<string, unknown>;

  test("another method", async () => {
    const store = await changed(await awq(), (_tensors, json) => {
      json["quantization_config"] = { quant_method: "gptq", bits: 4, group_size: 128 };
    });
    const { warnings, format } = await said(store);
    expect(format).toBe("awq");
    expect(warnings.join()).toMatch(/quant_method "gptq"; by names and shapes the tensors are awq/);
  });

  test("other bits are shown, and refused when read: nobody knows which is true", async () => {
    const store = await changed(await gptq(), (_tensors, json) => {
      Object.assign(quantization(json), { bits: 8 });
    });
    const { warnings } = await said(store);
    expect(warnings.join()).toMatch(/says 8 bits; the tensors hold 4/);
    const model = await openModel({ store });
    await expect(
      model.weight(`${MODULE}.weight`).readRows(0, 1, new Float32Array(256)),
    ).rejects.toMatchObject({
      code: "FORMAT",
      message: expect.stringMatching(/says 8 bits; the tensors hold 4/),
    });
  });

  test("a wrong convention, no act-order", async () => {
    const store = await changed(await gptq(), (_tensors, json) => {
      Object.assign(quantization(json), {
        checkpoint_format: "gptq_v2",
        format: "gptq_v2",
        desc_act: false,
      });
    });
    const { warnings } = await said(store);
    expect(warnings.join()).toMatch(
      /checkpoint_format "gptq_v2", but all zero points are those of symmetric v1/,
    );
    expect(warnings.join()).toMatch(/says no act-order, but g_idx spreads/);
    // and the values are those of the right reading
    const [wrong, right] = [await openModel({ store }), await openModel({ store: await gptq() })];
    const values = [new Float32Array(256), new Float32Array(256)] as const;
    await wrong.weight(`${MODULE}.weight`).readRows(0, 1, values[0]);
    await right.weight(`${MODULE}.weight`).readRows(0, 1, values[1]);
    expect(values[0]).toEqual(values[1]);
  });

  test("no configuration at all", async () => {
    for (const [make, format] of [
      [gptq, "gptq"],
      [awq, "awq"],
      [packed, "compressed-tensors"],
      [() => exl2Directory([4, 3], true), "exl2"],
    ] as const) {
      const source = await make();
      const store = await changed(source, (_tensors, json) => delete json["quantization_config"]);
      const [silent, told] = [await openModel({ store }), await openModel({ store: source })];
      expect(silent.format).toBe(format);
      expect(warningsOf((await inspectModel(silent)).findings)).toEqual([]);
      const values = [new Float32Array(512), new Float32Array(512)] as const;
      await silent.weight("model.layers.0.mlp.down_proj.weight").readRows(7, 8, values[0]);
      await told.weight("model.layers.0.mlp.down_proj.weight").readRows(7, 8, values[1]);
      expect(values[0]).toEqual(values[1]);
    }
  });

  test("a module that rules leave in floats", async () => {
    const store = await changed(await gptq(), (_tensors, json) => {
      quantization(json)["dynamic"] = { "-:.*q_proj": {} };
    });
    expect((await said(store)).warnings.join()).toMatch(
      /leaves .*q_proj in floats, but its tensors are packed/,
    );
  });

  test("a packing that nobody knows is refused, not guessed", async () => {
    const store = await changed(await gptq(), (_tensors, json) => {
      quantization(json)["checkpoint_format"] = "gptq_v9";
    });
    const refused = { code: "UNSUPPORTED", message: expect.stringMatching(/"gptq_v9" is not supported/) };
    expect((await said(store)).warnings.join()).toMatch(/"gptq_v9" is not supported/);
    await expect(planConversion(await openModel({ store }), parseTarget("gguf:auto"))).rejects.toMatchObject(
      refused,
    );
  });
});

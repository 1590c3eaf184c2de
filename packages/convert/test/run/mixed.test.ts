/** Checkpoints of which some linear layers are packed and the others floats: the floats stay as they are. */
import { awqQuantizesModule, parseAwqConfig } from "@requant/awq";
import { parseCompressedTensorsConfig } from "@requant/compressed-tensors";
import { type MemoryStore, memoryStore } from "@requant/core";
import { gptqModuleConfig, parseGptqConfig } from "@requant/gptq";
import { openSafetensors } from "@requant/safetensors";
import { describe, expect, it } from "vitest";
import {
  openModel,
  type Plan,
  type PlanOptions,
  parseTarget,
  planConversion,
  runPlan,
} from "../../src/index.ts";
import { floatDirectory, linearModules, packedDirectory, type ViewOptions } from "./packed-models.ts";

const PACKED = "model.layers.0.mlp.down_proj";
const FLOATS = linearModules.map(([module]) => module).filter((module) => module !== PACKED);

interface Converted {
  readonly out: MemoryStore;
  readonly plan: Plan;
}

async function convert(source: MemoryStore, target: string, options: PlanOptions = {}): Promise<Converted> {
  const model = await openModel({ store: source });
  const out = memoryStore({ name: target.replace(":", "-") });
  const plan = await planConversion(model, parseTarget(target), options);
  await runPlan(plan, model, out);
  return { out, plan };
}

/** Every stored tensor with its encoding, shape and bytes. */
async function storedTensors(store: MemoryStore): Promise<ReadonlyMap<string, unknown>> {
  const set = await openSafetensors(store);
  const all = new Map<string, unknown>();
  for (const tensor of set.tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const bytes = (await set.read(tensor, 0, tensor.byteLength)).slice();
    all.set(tensor.name, { encoding: tensor.encoding, shape: tensor.shape, bytes });
  }
  return all;
}

function config(store: MemoryStore): Record<string, unknown> {
  return JSON.parse(new TextDecoder().decode(store.files.get("config.json")));
}

/** Modules that the written configuration leaves in floats, as each format's own parser reads it. */
function leftByConfig(store: MemoryStore): string[] {
  const json = config(store);
  const { quant_method: method } = json["quantization_config"] as Record<string, unknown>;
  const modules = linearModules.map(([module]) => module);
  if (method === "awq") return modules.filter((one) => !awqQuantizesModule(parseAwqConfig(json), one));
  if (method === "gptq") {
    return modules.filter((one) => gptqModuleConfig(parseGptqConfig(json), one) === undefined);
  }
  const { ignore } = parseCompressedTensorsConfig(json);
  return modules.filter((one) => ignore.includes(one));
}

const asymmetric: ViewOptions = { bits: 4, groupSize: 128, sym: false, minZero: 1, packs: [PACKED] };
const symmetric: ViewOptions = { ...asymmetric, sym: true };

describe("one packed layer among floats comes back as it was", () => {
  it.each([
    ["AWQ → GPTQ → AWQ", "awq", ["gemm", "128g"], asymmetric, "gptq:4bit-128g-asym", "awq:gemm-128g"],
    ["AWQ gemm → gemv → gemm", "awq", ["gemm", "128g"], asymmetric, "awq:gemv-128g", "awq:gemm-128g"],
    ["GPTQ → AWQ → GPTQ", "gptq", ["4bit", "128g", "sym"], symmetric, "awq:gemm-128g", "gptq:4bit-128g-sym"],
    [
      "GPTQ → compressed-tensors → GPTQ",
      "gptq",
      ["4bit", "128g", "asym"],
      asymmetric,
      "compressed-tensors:4bit-128g-asym",
      "gptq:4bit-128g-asym",
    ],
  ] as const)("%s", async (_way, format, words, options, there, back) => {
    const source = await packedDirectory(format, words, options);
    const first = await convert(source, there, { exact: true });
    expect(leftByConfig(first.out)).toEqual(FLOATS);
    const second = await convert(first.out, back, { exact: true });
    expect(leftByConfig(second.out)).toEqual(FLOATS);
    for (const { plan } of [first, second]) {
      const fidelities = plan.tensors.map(({ name, fidelity }) => [name, fidelity]);
      expect(fidelities.filter(([, fidelity]) => fidelity !== "copy")).toEqual([
        [`${PACKED}.weight`, "exact"],
      ]);
      expect(plan.findings.filter(({ code }) => code === "left-in-floats")).toMatchObject([
        {
          message: expect.stringMatching(/^6 linear layers stay in floats/),
          hint: "Give `requantizeRest` to quantize such layers too.",
        },
      ]);
    }
    expect(await storedTensors(second.out)).toEqual(await storedTensors(source));
  });
});

it("requantizeRest packs the floats too, and the packed layer keeps its codes", async () => {
  const source = await packedDirectory("awq", ["gemm", "128g"], asymmetric);
  const { out, plan } = await convert(source, "gptq:4bit-128g-asym", { requantizeRest: true });
  expect(leftByConfig(out)).toEqual([]);
  const fidelities = new Map(plan.tensors.map(({ name, fidelity }) => [name, fidelity]));
  expect(fidelities.get(`${PACKED}.weight`)).toBe("exact");
  expect(FLOATS.map((module) => fidelities.get(`${module}.weight`))).toEqual(FLOATS.map(() => "requantized"));
});

it("of a float model every linear layer is packed, whatever is asked for the rest", async () => {
  for (const requantizeRest of [undefined, true]) {
    const { out, plan } = await convert(await floatDirectory("BF16"), "awq:gemm-128g", { requantizeRest });
    expect(leftByConfig(out)).toEqual([]);
    const unused = plan.findings.filter(({ code }) => code === "not-used").map(({ message }) => message);
    expect(unused).toEqual(
      requantizeRest === true ? ["`requantizeRest` changes nothing: no linear layer is left in floats."] : [],
    );
  }
});

it("EXL2 keeps the floats, and says what exllamav2 makes of a block that is packed in part", async () => {
  const source = await packedDirectory("awq", ["gemm", "128g"], asymmetric);
  const { plan } = await convert(source, "exl2:4.5bpw-h16");
  const byName = new Map(plan.tensors.map(({ name, to, fidelity }) => [name, [to, fidelity]]));
  expect(FLOATS.map((module) => byName.get(`${module}.weight`))).toEqual(FLOATS.map(() => ["BF16", "copy"]));
  expect(byName.get(`${PACKED}.weight`)?.[0]).toBe("EXL2");
  expect(plan.findings.find(({ code }) => code === "partly-packed")?.message).toContain(
    "model.layers.0.mlp.gate_proj stays in floats",
  );
});

it("a whole block in floats is no fault of an EXL2 model", async () => {
  const packs = linearModules.map(([module]) => module).filter((module) => module.includes(".mlp."));
  const source = await packedDirectory("awq", ["gemm", "128g"], { ...asymmetric, packs });
  const { plan } = await convert(source, "exl2:4.5bpw-h16");
  expect(plan.findings.map(({ code }) => code)).not.toContain("partly-packed");
  expect(plan.findings.map(({ code }) => code)).toContain("left-in-floats");
});

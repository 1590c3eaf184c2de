/**
 * Packed checkpoints of many families to GGUF: rotary row orders, stacks of experts and fused splits are carried out on the integers.
 * Oracles: the same packed weights decoded to floats and converted on the way that architectures.test.ts holds against llama.cpp's
 * converter; llama.cpp itself, running both files.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BF16, type MemoryStore, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { isRowSelection } from "@requant/models";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { archModels, archScope } from "../../../../fixtures/arch-models.ts";
import { loadLlama, nextLogits, takeComplaints, withModel } from "../../../../fixtures/llama-client.ts";
import {
  type Model,
  openModel,
  type Plan,
  type PlanOptions,
  parseTarget,
  planConversion,
  runPlan,
  verifyModels,
} from "../../src/index.ts";
import { hfDirectory, readWeights, type StoredTensor, type Weights } from "../hf-directory.ts";
import { randomSource } from "./packed-models.ts";

const folder = mkdtempSync(join(tmpdir(), "requant-packed-architectures-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const client = await loadLlama();

interface Converted {
  readonly plan: Plan;
  readonly store: MemoryStore;
  readonly model: Model;
}

async function convert(source: Model, target: string, options: PlanOptions = {}): Promise<Converted> {
  const isGguf = target.startsWith("gguf");
  const store = memoryStore({ name: target });
  const plan = await planConversion(source, parseTarget(target), {
    ...options,
    ...(isGguf ? { outputName: "o" } : {}),
  });
  await runPlan(plan, source, store, { check: false });
  return { plan, store, model: await openModel({ store, ...(isGguf ? { file: "o.gguf" } : {}) }) };
}

/** A packed directory, the GGUF made from its integers, and the GGUF made from its decoded floats. */
async function bothWays(source: Model, target: string, options: PlanOptions = {}) {
  const packed = await convert(source, target);
  const direct = await convert(packed.model, "gguf:auto", options);
  const floats = await convert((await convert(packed.model, "safetensors:f32")).model, "gguf:f32");
  return { packed, direct, floats };
}

type BothWays = Awaited<ReturnType<typeof bothWays>>;

async function expectEqualWeights({ packed, direct, floats }: BothWays): Promise<void> {
  for (const other of [packed.model, floats.model]) {
    const report = await verifyModels(other, direct.model);
    expect(report).toMatchObject({ equal: true, onlyInA: [], onlyInB: [], shapesDiffer: [] });
    expect(report.tensors.length).toBe(direct.plan.tensors.length);
  }
}

/** What becomes of the packed weights: `[GGUF type, fidelity, way]`, each once. */
function waysOf({ tensors }: Plan): readonly string[] {
  const packed = tensors.filter(({ from }) => /GPTQ|AWQ|EXL2/.test(from));
  return [...new Set(packed.map(({ to, fidelity, way }) => `${to} ${fidelity} ${way.kind}`))].sort();
}

interface Difference {
  /** Largest difference of a token's probability. */
  readonly probability: number;
  /** RMSE of the logits over their own deviation from their mean. */
  readonly logits: number;
}

function difference(found: ReadonlyMap<number, number>, expected: ReadonlyMap<number, number>): Difference {
  const ids = [...expected.keys()];
  const [ours, theirs] = [found, expected].map((all) => ids.map((id) => all.get(id) ?? Number.NaN));
  const spread = (values: readonly number[]): number => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  };
  const probabilities = (values: readonly number[]): number[] => {
    const powers = values.map((value) => Math.exp(value - Math.max(...values)));
    const sum = powers.reduce((total, power) => total + power, 0);
    return powers.map((power) => power / sum);
  };
  const [a = [], b = []] = [probabilities(ours ?? []), probabilities(theirs ?? [])];
  return {
    probability: Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? Number.NaN)))),
    logits: Math.sqrt(
      spread((ours ?? []).map((value, i) => value - (theirs?.[i] ?? Number.NaN))) / spread(theirs ?? []),
    ),
  };
}

function shown({ probability, logits }: Difference): string {
  return `probabilities within ${probability.toFixed(4)}, logits within ${(100 * logits).toFixed(1)} %`;
}

/**
 * How far llama.cpp's next tokens after the GGUF of integers are from those after the GGUF of floats. Beside blocks it rounds
 * activations to 8 bits, which can tip a router: then one token goes to another expert. So of two prompts, one a token shorter,
 * the nearer counts; rows in a wrong order would put both out.
 */
async function runDifference(
  name: string,
  { direct, floats }: BothWays,
  prompt: readonly number[],
): Promise<Difference> {
  if ("reason" in client) throw new Error(client.reason);
  const { llama } = client;
  const logitsOf = async ({ store }: Converted, part: string): Promise<Map<number, number>[]> => {
    const path = join(folder, `${name}-${part}.gguf`);
    writeFileSync(path, store.files.get("o.gguf") ?? "");
    takeComplaints();
    try {
      return await withModel(llama, path, async (model) => [
        await nextLogits(model, prompt),
        await nextLogits(model, prompt.slice(0, -1)),
      ]);
    } catch (cause) {
      throw new Error(`llama.cpp: ${takeComplaints().join(" ")}`, { cause });
    } finally {
      rmSync(path);
    }
  };
  const expected = await logitsOf(floats, "floats");
  const found = await logitsOf(direct, "integers");
  const differences = found.map((logits, i) => difference(logits, expected[i] ?? new Map()));
  return {
    probability: Math.min(...differences.map(({ probability }) => probability)),
    logits: Math.min(...differences.map(({ logits }) => logits)),
  };
}

const kjv = fileURLToPath(new URL("../../../../fixtures/kjv/hf", import.meta.url));
const hidden = 256;
const layers = 1;
const experts = 4;
const headLength = 64;

/** The bundled Llama, whose heads share keys and values by twos, under the names of other families. */
const sources: Readonly<Record<string, { config: object; weights(original: Weights): Weights }>> = {
  "a Llama with grouped queries": { config: { num_hidden_layers: layers }, weights: cut },
  "a Qwen2 with biases": {
    config: { architectures: ["Qwen2ForCausalLM"], model_type: "qwen2", num_hidden_layers: layers },
    weights(original) {
      const made = cut(original);
      for (const [part, heads] of [
        ["q", 4],
        ["k", 2],
        ["v", 2],
      ] as const)
        made.set(`model.layers.0.self_attn.${part}_proj.bias`, random([heads * headLength], 7 + heads));
      return made;
    },
  },
  "a Mixtral of four experts": {
    config: {
      architectures: ["MixtralForCausalLM"],
      model_type: "mixtral",
      num_hidden_layers: layers,
      num_local_experts: experts,
      num_experts_per_tok: 2,
      sliding_window: null,
    },
    weights(original) {
      const made: Weights = new Map();
      for (const [name, tensor] of cut(original)) {
        const part = /mlp\.(gate|up|down)_proj\.weight$/.exec(name)?.[1];
        if (part === undefined) made.set(name, tensor);
        else {
          const own = { gate: "w1", up: "w3", down: "w2" }[part];
          for (let expert = 0; expert < experts; expert++)
            made.set(
              `model.layers.0.block_sparse_moe.experts.${expert}.${own}.weight`,
              turned(tensor, 3 * expert),
            );
        }
      }
      return made.set("model.layers.0.block_sparse_moe.gate.weight", random([experts, hidden], 5));
    },
  },
};

/** The first layer and what is around the layers. */
function cut(original: Weights): Weights {
  return new Map([...original].filter(([name]) => !/layers\.[1-9]/.test(name)));
}

function random(shape: readonly number[], seed: number): StoredTensor {
  const next = randomSource(seed);
  const count = shape.reduce((product, size) => product * size, 1);
  const values = Float32Array.from({ length: count }, () => (next() - 0.5) / 2);
  const bytes = new Uint8Array(count * 2);
  BF16.quantize?.(values, count, bytes);
  return { shape, encoding: "BF16", bytes };
}

/** The same rows from another one on, so that no two experts are alike. */
function turned({ shape, encoding, bytes }: StoredTensor, count: number): StoredTensor {
  const at = count * (shape.at(-1) ?? 1) * 2;
  return {
    shape,
    encoding,
    bytes: new Uint8Array(Buffer.concat([bytes.subarray(at), bytes.subarray(0, at)])),
  };
}

/** By target: what `gguf:auto` makes of its codes. Zero points of their own need a fifth bit, EXL2's values are f16 numbers. */
const targets: Readonly<Record<string, string>> = {
  "gptq:4bit-128g-sym": "Q4_0 exact view",
  "gptq:4bit-128g-asym": "Q5_0 exact view",
  "awq:gemm-128g": "Q5_0 exact view",
  "exl2:4.5bpw-h6": "F16 exact floats",
};

describe.each(Object.entries(sources))("%s, packed", (name, { config, weights }) => {
  let source: Model;
  beforeAll(async () => {
    const text = (file: string): string => readFileSync(`${kjv}/${file}`, "utf8");
    source = await openModel({
      store: await hfDirectory(weights(await readWeights(kjv)), {
        "config.json": JSON.stringify({ ...JSON.parse(text("config.json")), ...config }),
        "tokenizer.json": text("tokenizer.json"),
        "tokenizer_config.json": text("tokenizer_config.json"),
      }),
    });
  });

  // allocating bits takes seconds: one family is enough
  const ways = Object.entries(targets).filter(
    ([target]) => name.includes("Llama") || !target.startsWith("exl2"),
  );

  it.each(ways)("as %s: %s", async (target, expected) => {
    const made = await bothWays(source, target, { exact: true });
    expect(waysOf(made.direct.plan)).toEqual([expected]);
    await expectEqualWeights(made);
    const stacked = made.direct.plan.tensors.filter(({ shape }) => shape.length === 3);
    expect(stacked.map(({ name: tensor, shape }) => `${tensor} ${shape.join()}`).sort()).toEqual(
      name.includes("Mixtral")
        ? [
            "blk.0.ffn_down_exps.weight 4,256,512",
            "blk.0.ffn_gate_exps.weight 4,512,256",
            "blk.0.ffn_up_exps.weight 4,512,256",
          ]
        : [],
    );
    if ("reason" in client) return;
    const run = await runDifference("kjv", made, [0, 11, 200, 333, 42, 512]);
    console.log(`${name}, ${target}: ${shown(run)}`);
    expect(run.probability).toBeLessThan(0.005);
    expect(run.logits).toBeLessThan(0.01);
  });

  it("a file type that the codes fit is exact, a smaller one is not", async () => {
    const packed = await convert(source, "gptq:4bit-128g-sym");
    const options: PlanOptions = { pure: true, allowRequantize: true };
    const wider = await planConversion(packed.model, parseTarget("gguf:q8_0"), options);
    expect(waysOf(wider)).toEqual(["Q8_0 exact view"]);
    await expect(
      planConversion(packed.model, parseTarget("gguf:q2_k"), { ...options, exact: true }),
    ).rejects.toMatchObject({ code: "CONVERSION" });
  });
});

/** Golden models that hold nothing to pack, by target, and what is said of them. */
const notPacked: Readonly<Record<string, (target: string) => RegExp | undefined>> = {
  gpt2: () => /no linear layers/,
  // its experts are stacks with each matrix transposed, and its authors left everything else in floats
  gptoss: () => /no linear layers/,
  granitemoe: (target) => (target.startsWith("awq") ? /48 columns are not 2 groups of 32/ : undefined),
};

/** A decay is stored as −exp(x), which rounds: `--exact` refuses these families whatever their layers are. */
const decays = ["qwen3next", "qwen35", "qwen35moe"];

const cases = archModels.flatMap((model) =>
  ["gptq:4bit-32g-sym", "gptq:4bit-32g-asym", "awq:gemm-32g"].map((target) => ({
    name: model.name,
    target,
    model,
  })),
);

describe(`every family, packed: ${archScope}`, () => {
  it.each(cases)("$name as $target", async ({ name, target, model: { path, prompt } }) => {
    const source = await openModel({ store: directoryStore(path) });
    try {
      const refusal = notPacked[name]?.(target);
      if (refusal !== undefined) {
        await expect(planConversion(source, parseTarget(target))).rejects.toThrow(refusal);
        return;
      }
      const exact = !decays.includes(name);
      const made = await bothWays(source, target, { exact });
      const packed = made.direct.plan.tensors.filter(({ from }) => /GPTQ|AWQ/.test(from));
      expect(packed.length).toBeGreaterThan(0);
      for (const tensor of packed) {
        // whole rows in whole blocks stay integers; the rest becomes F32, which holds every value
        const moves = isRowSelection(tensor) && (tensor.shape.at(-1) ?? 0) % 32 === 0;
        const type = target.endsWith("-sym") ? "Q4_0" : "Q5_0";
        expect([tensor.name, tensor.to, tensor.fidelity, tensor.way.kind]).toEqual([
          tensor.name,
          moves ? type : "F32",
          "exact",
          moves ? "view" : "floats",
        ]);
      }
      await expectEqualWeights(made);
      if ("reason" in client) return;
      const run = await runDifference(name, made, prompt);
      console.log(`${name}, ${target}: ${shown(run)}`);
      expect(run.probability).toBeLessThan(0.05);
      expect(run.logits).toBeLessThan(0.05);
    } finally {
      await source.close();
    }
  });
});

const gptoss = archModels.find(({ name }) => name === "gptoss");
describe.skipIf(gptoss === undefined)("gpt-oss, whose experts are MXFP4", () => {
  it("has its attention packed where that is asked for, and its experts as the floats that they are", async () => {
    const source = await openModel({ store: directoryStore(gptoss?.path ?? "") });
    const plan = await planConversion(source, parseTarget("gptq:4bit-32g-sym"), { requantizeRest: true });
    const packed = plan.tensors.filter(({ to }) => to.startsWith("GPTQ")).map(({ name }) => name);
    expect(packed.length).toBeGreaterThan(0);
    for (const name of packed) expect(name).toMatch(/self_attn\.[qkvo]_proj\.weight$/);
    const experts = plan.tensors.filter(({ from }) => from.startsWith("MXFP4"));
    expect(experts.map(({ name }) => name)).toEqual(
      [0, 1].flatMap((layer) =>
        ["down_proj", "gate_up_proj"].map((part) => `model.layers.${layer}.mlp.experts.${part}`),
      ),
    );
    for (const { fidelity } of experts) expect(fidelity).toBe("exact");
    const output = memoryStore({ name: "gptq" });
    await runPlan(plan, source, output, { check: false });
    const { tensors, onlyInA, onlyInB } = await verifyModels(source, await openModel({ store: output }));
    expect({ onlyInA, onlyInB }).toEqual({ onlyInA: [], onlyInB: [] });
    for (const { name, equal } of tensors) {
      if (!packed.includes(name)) expect(equal, name).toBe(true);
    }
    await source.close();
  });
});

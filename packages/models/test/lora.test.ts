/**
 * LoRA adapters, to GGUF and back. Oracle: metadata, names and shapes that llama.cpp's convert_lora_to_gguf.py wrote for tiny adapters,
 * and what it did to each tensor (vectors/lora.json, of layer 0); for the opposite direction the adapter itself. The whole files are
 * compared in `packages/cli/test/lora.test.ts`.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  type HfFiles,
  loraToGguf,
  loraToPeft,
  readGgufAdapter,
  readHfFiles,
  readPeftAdapter,
} from "../src/index.ts";
import { asListed, type ManifestKey } from "./golden.ts";

interface Vector {
  readonly directory: string;
  readonly adapterConfig: Readonly<Record<string, unknown>>;
  readonly readme: string | null;
  readonly baseConfig: object;
  readonly stored: Readonly<Record<string, readonly number[]>>;
  readonly metadata: readonly ManifestKey[];
  readonly tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly how: string;
    readonly from: readonly string[];
  }[];
}

const vectors: Readonly<Record<string, Vector>> = JSON.parse(
  readFileSync(new URL("vectors/lora.json", import.meta.url), "utf8"),
).adapters;
const cases = Object.entries(vectors).map(([name, vector]) => ({ name, vector }));

function baseOf({ baseConfig }: Vector): HfFiles {
  return readHfFiles("base", new Map([["config.json", JSON.stringify(baseConfig)]]), []);
}

function storedIn({ stored }: Pick<Vector, "stored">): HfFiles["tensors"] {
  return Object.entries(stored).map(([name, shape]) => ({ name, shape, encoding: "F32" }));
}

function asGguf(vector: Vector, config: object = vector.adapterConfig): ReturnType<typeof loraToGguf> {
  const adapter = readPeftAdapter(JSON.stringify(config), storedIn(vector));
  const files = { directoryName: vector.directory, readme: vector.readme ?? undefined };
  return loraToGguf(adapter, files, baseOf(vector));
}

/** What the converter's words say about the inputs of a plan. */
function steps(how: string, from: readonly string[]): unknown[] {
  const heads = /permute rows: \[heads=(\d+)/.exec(how)?.[1];
  const own =
    heads === undefined
      ? how.startsWith("transpose")
        ? { transpose: true }
        : {}
      : { rowOrder: { kind: "rope-to-pairs", headCount: Number(heads) } };
  return from.map((tensor) => ({ tensor, ...own }));
}

describe.each(cases)("$name", ({ vector }) => {
  test("has the converter's metadata, tensors and order", () => {
    const { metadata, tensors } = asGguf(vector);
    expect([...metadata].map(([key, value]) => asListed(key, value))).toEqual(vector.metadata);
    expect(tensors.map(({ name, shape, inputs }) => ({ name, shape, inputs }))).toEqual(
      vector.tensors.map(({ name, shape, how, from }) => ({ name, shape, inputs: steps(how, from) })),
    );
  });

  test("comes back with PEFT's names and shapes", () => {
    const { metadata, tensors } = asGguf(vector);
    const back = loraToPeft(metadata, tensors, baseOf(vector));
    expect(Object.fromEntries(back.tensors.map(({ name, shape }) => [name, shape]))).toEqual(vector.stored);
    const config = JSON.parse(back.files.get("adapter_config.json") ?? "{}");
    expect(config).toMatchObject({
      r: vector.adapterConfig["r"],
      lora_alpha: vector.adapterConfig["lora_alpha"],
    });
  });
});

/** Two modules of ranks 2 and 3. */
const stored = {
  "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": [2, 8],
  "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight": [8, 2],
  "base_model.model.model.layers.0.mlp.down_proj.lora_A.default.weight": [3, 16],
  "base_model.model.model.layers.0.mlp.down_proj.lora_B.default.weight": [8, 3],
};

describe("the scale of an update", () => {
  const alphasOf = (config: object): number[] =>
    readPeftAdapter(JSON.stringify(config), storedIn({ stored })).updates.map(({ alpha }) => alpha);

  // PEFT, tuners/lora/layer.py: scaling = alpha / r, or alpha / sqrt(r); what is read is scaling × r
  test.each([
    ["alpha for all", { lora_alpha: 6 }, [6, 6]],
    ["PEFT's default", {}, [8, 8]],
    ["rank-stabilized", { lora_alpha: 6, use_rslora: true }, [6 * Math.sqrt(2), 6 * Math.sqrt(3)]],
    ["a pattern of the end of a name", { lora_alpha: 6, alpha_pattern: { down_proj: 9 } }, [6, 9]],
    ["a pattern of the whole name", { alpha_pattern: { "^model.layers.0.mlp.down_proj": 9 } }, [8, 9]],
    ["no pattern of a part of a word", { alpha_pattern: { proj: 9 } }, [8, 8]],
    ["a pattern with a choice", { alpha_pattern: { "(?:q|down)_proj": 9 } }, [9, 9]],
  ])("%s", (_, config, expected) => {
    expect(alphasOf(config)).toEqual(expected);
  });
});

describe("an adapter that is refused", () => {
  test.each([
    ["without adapter_config.json", undefined, /adapter_config\.json is missing/],
    ["that is no LoRA", JSON.stringify({ peft_type: "VERA" }), /of the kind VERA/],
    ["with magnitudes", JSON.stringify({ use_dora: true }), /of the kind DoRA/],
    ["with a text for alpha", JSON.stringify({ lora_alpha: "8" }), /has a wrong value/],
    ["whose settings are no JSON", "{", /JSON/],
  ])("%s", (_, config, message) => {
    expect(() => readPeftAdapter(config, storedIn({ stored }))).toThrow(message);
  });

  test("with a tensor of another kind", () => {
    const more = { ...stored, "base_model.model.model.layers.0.q.lora_magnitude_vector": [8] };
    expect(() => readPeftAdapter("{}", storedIn({ stored: more }))).toThrow(/no factor of a LoRA update/);
  });

  test("as a GGUF with a factor alone, or with factors that do not fit", () => {
    const a = { name: "blk.0.attn_q.weight.lora_a", shape: [2, 8] };
    expect(() => readGgufAdapter(new Map(), [a])).toThrow(/only one of its two factors/);
    const b = { name: "blk.0.attn_q.weight.lora_b", shape: [8, 3] };
    expect(() => readGgufAdapter(new Map(), [a, b])).toThrow(/do not fit each other/);
  });

  /** An adapter of the set with other names: what is renamed to "" is left out. */
  function renamed(name: string, rename: (key: string) => string): Vector {
    const vector = vectors[name];
    if (vector === undefined) throw new Error(`There is no vector ${name}.`);
    const entries = Object.entries(vector.stored).map(([key, shape]) => [rename(key), shape] as const);
    return { ...vector, stored: Object.fromEntries(entries.filter(([key]) => key !== "")) };
  }

  test("whose experts have not all an update", () => {
    const vector = renamed("lora_qwen3moe", (key) => (key.includes("experts.0.") ? "" : key));
    expect(() => asGguf(vector)).toThrow(/tensors are missing/);
  });

  test("with a name that the family does not have", () => {
    const vector = renamed("lora_llama", (key) => key.replace("q_proj", "other_proj"));
    expect(() => asGguf(vector)).toThrow(/no place/);
  });
});

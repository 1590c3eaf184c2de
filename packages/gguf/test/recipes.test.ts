import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  chooseTypes,
  fileTypeByName,
  fileTypeByNumber,
  fileTypes,
  foreignFileTypes,
  parseTensorOverride,
  parseTensorOverrides,
  type RecipeFacts,
  type RecipeOptions,
  type RecipeTensor,
  type TypeChoices,
} from "../src/recipes/index.ts";
import { rules } from "../src/recipes/rules.ts";

const vectors = new URL("./vectors/recipes/", import.meta.url);
const json = (name: string): unknown => JSON.parse(readFileSync(new URL(name, vectors), "utf8"));

const layers = z.union([z.string(), z.record(z.string(), z.array(z.number()))]);
const tables = z
  .record(z.string(), z.record(z.string(), z.record(z.string(), z.unknown())))
  .parse(json("type-tables.json"));
const reference = z
  .object({
    refused: z.array(z.object({ target: z.string() })),
    files: z.array(
      z.object({
        target: z.string(),
        converter: z.boolean().optional(),
        imatrix: z.boolean(),
        tensors: z.array(z.tuple([z.string(), z.string(), z.string()])),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(new URL("../../../fixtures/kjv/reference.json", import.meta.url), "utf8")));

interface Shape {
  readonly facts: RecipeFacts;
  readonly columns: number;
  readonly feedForward: number;
  readonly encoding: string;
}

function shape(
  layerCount: number,
  headCount: number,
  keyValueHeadCount: number,
  more: {
    experts?: number;
    columns?: number;
    feedForward?: number;
    architecture?: string;
    encoding?: string;
  } = {},
): Shape {
  const { experts = 0, columns = 256, feedForward = 512, architecture = "llama", encoding = "F16" } = more;
  return {
    facts: { architecture, layerCount, headCount, keyValueHeadCount, expertCount: experts },
    columns,
    feedForward,
    encoding,
  };
}

const shapes: Readonly<Record<string, Shape>> = {
  "llama-12L-tied": shape(12, 4, 4),
  "llama-16L-moe8": shape(16, 4, 4, { experts: 8 }),
  "llama-32L-gqa4": shape(32, 8, 2),
  "llama-32L-mha": shape(32, 4, 4),
  "llama-80L-gqa8": shape(80, 8, 1),
  "llama-8L-odd-ncols288": shape(8, 4, 4, { columns: 288, feedForward: 576 }),
  "tiny-qwen3-F16": shape(4, 8, 2, { architecture: "qwen3" }),
  "tiny-llama-F32": shape(2, 8, 4, { encoding: "F32" }),
};

/** The tensors of a model, by the names in the table: those of layers once per layer. */
function tensorsOf(name: string, { facts, columns, feedForward, encoding }: Shape): RecipeTensor[] {
  const names = Object.keys(tables[name]?.["Q4_1"] ?? {});
  return names.flatMap((tensor): RecipeTensor[] => {
    const experts = tensor.includes("_exps") ? [facts.expertCount] : [];
    const row = tensor.includes("ffn_down") ? feedForward : columns;
    const one = { shape: [...experts, 64, row], encoding: tensor.includes("gate_inp") ? "F32" : encoding };
    if (!/^(attn|ffn)_/.test(tensor)) return [{ name: tensor, ...one }];
    return Array.from({ length: facts.layerCount }, (_, i) => ({ name: `blk.${i}.${tensor}`, ...one }));
  });
}

/** In the form of the table: one type, or the layers of each. */
function tableOf({ tensors }: TypeChoices): Record<string, z.infer<typeof layers>> {
  const byTensor = new Map<string, Map<string, number[]>>();
  for (const { name, type } of tensors) {
    const [, layer = "0", tensor = name] = /^blk\.(\d+)\.(.*)$/.exec(name) ?? [];
    const byType = byTensor.get(tensor) ?? new Map<string, number[]>();
    byTensor.set(
      tensor,
      byType.set(tableName(type), [...(byType.get(tableName(type)) ?? []), Number(layer)]),
    );
  }
  return Object.fromEntries(
    [...byTensor].map(([tensor, byType]) => {
      const [only] = byType.keys();
      return [tensor, byType.size === 1 && only !== undefined ? only : Object.fromEntries(byType)];
    }),
  );
}

/** As ggml spells it: "q4_K". */
const tableName = (type: string): string => type.toLowerCase().replace(/_k$/, "_K");

function choose(name: string, target: string, hasImatrix: boolean, options: RecipeOptions = {}): TypeChoices {
  const model = shapes[name];
  if (model === undefined) throw new Error(`no shape for ${name}`);
  const tensors = tensorsOf(name, model);
  return chooseTypes({
    target,
    facts: model.facts,
    tensors,
    hasImatrix,
    options: { dryRun: true, ...options },
  });
}

describe("type tables: llama-quantize --dry-run", () => {
  test("cover every target that quantizes", () => {
    expect(Object.keys(tables)).toEqual(Object.keys(shapes));
    const targets = new Set(Object.values(tables).flatMap((table) => Object.keys(table)));
    const offered = fileTypes.map(({ name }) => name).filter((name) => name !== "COPY");
    expect(offered.filter((name) => !targets.has(name))).toEqual([]);
    expect(offered.length).toBe(35);
  });

  for (const [name, table] of Object.entries(tables)) {
    for (const [row, expected] of Object.entries(table)) {
      const [target = "", imatrix] = row.split("+");
      test(`${name} ${row}`, () => {
        if ("error" in expected) {
          expect(() => choose(name, target, imatrix !== undefined)).toThrow(
            /rows of 288 are not a multiple of 128/,
          );
          return;
        }
        expect(tableOf(choose(name, target, imatrix !== undefined))).toEqual(expected);
        // a matrix changes the choice only where the table has a second row for it
        const has = Object.values(tables).some((other) => `${target}+imatrix` in other);
        if (!has) expect(tableOf(choose(name, target, true))).toEqual(expected);
      });
    }
  }
});

/** The sizes in fixtures/kjv/hf/config.json. */
function kjvShape(name: string): number[] {
  if (name.includes("norm")) return [256];
  if (/^(output|token_embd)/.test(name)) return [1024, 256];
  if (name.includes("ffn_down")) return [256, 512];
  if (name.includes("ffn")) return [512, 256];
  return [/attn_[kv]/.test(name) ? 128 : 256, 256];
}

describe("the trained llama", () => {
  const facts: RecipeFacts = {
    architecture: "llama",
    layerCount: 3,
    headCount: 4,
    keyValueHeadCount: 2,
    expertCount: 0,
    fileType: 32,
  };
  const [converted, ...others] = reference.files;
  const tensors = (converted?.tensors ?? []).map(([name, encoding]) => ({
    name,
    shape: kjvShape(name),
    encoding,
  }));
  const quantized = others.filter(({ converter }) => converter !== true);

  test("has every target", () => {
    const targets = new Set(quantized.map(({ target }) => target));
    expect(fileTypes.filter(({ name }) => name !== "COPY" && !targets.has(name))).toEqual([]);
  });

  for (const file of quantized) {
    test(`${file.target}${file.imatrix ? " with imatrix" : ""}: order and types`, () => {
      const chosen = chooseTypes({ target: file.target, facts, tensors, hasImatrix: file.imatrix });
      expect(chosen.tensors.map(({ name, type }) => [name, type])).toEqual(
        file.tensors.map(([name, type]) => [name, type]),
      );
    });
  }

  test("the same targets are refused without an importance matrix", () => {
    const refused = fileTypes.filter(({ name }) => {
      try {
        chooseTypes({ target: name, facts, tensors });
        return false;
      } catch (error) {
        expect(error).toMatchObject({
          code: "CONVERSION",
          message: expect.stringMatching(/needs an importance/),
        });
        return true;
      }
    });
    expect(refused.map(({ name }) => name).sort()).toEqual(
      reference.refused.map(({ target }) => target).sort(),
    );
    expect(fileTypes.filter(({ requiresImatrix }) => requiresImatrix)).toEqual(refused);
  });

  const typeOf = (name: string, target: string, options: RecipeOptions): string | undefined =>
    chooseTypes({ target, facts, tensors, options }).tensors.find((tensor) => tensor.name === name)?.type;

  test("options", () => {
    expect(typeOf("output.weight", "Q4_0", { pure: true })).toBe("Q4_0");
    expect(typeOf("output.weight", "Q4_0", { leaveOutput: true })).toBe("BF16");
    expect(typeOf("output.weight", "Q4_0", { outputTensor: "q8_0" })).toBe("Q8_0");
    expect(typeOf("token_embd.weight", "Q4_0", { tokenEmbedding: "F16" })).toBe("F16");
    expect(typeOf("token_embd.weight", "Q4_0", { outputTensor: "F16" })).toBe("Q4_0");
    const tensorTypes = [
      { pattern: "blk\\.[12]\\.ATTN_V", type: "q8_0" },
      { pattern: "attn", type: "Q5_1" },
    ];
    expect(typeOf("blk.1.attn_v.weight", "Q4_K_M", { tensorTypes })).toBe("Q8_0");
    expect(typeOf("blk.0.attn_v.weight", "Q4_K_M", { tensorTypes })).toBe("Q5_1");
    expect(typeOf("blk.0.attn_norm.weight", "Q4_K_M", { tensorTypes })).toBe("F32");
    expect(typeOf("blk.0.ffn_up.weight", "F16", { tensorTypes })).toBe("F16");
  });

  test("an overridden tensor is not counted", () => {
    // of three layers the third gets more bits; with the first two out of the count it is the first
    const tensorTypes = [{ pattern: "blk\\.[01]\\.ffn_down", type: "Q4_K" }];
    expect(typeOf("blk.2.ffn_down.weight", "Q4_K_M", {})).toBe("Q6_K");
    expect(typeOf("blk.2.ffn_down.weight", "Q4_K_M", { tensorTypes })).toBe("Q4_K");
  });

  test("a tied embedding takes the output's type", () => {
    const tied = tensors.filter(({ name }) => name !== "output.weight");
    const type = (options: RecipeOptions): string | undefined =>
      chooseTypes({ target: "Q4_K_M", facts, tensors: tied, options }).tensors.find(
        ({ name }) => name === "token_embd.weight",
      )?.type;
    expect(type({})).toBe("Q6_K");
    expect(type({ outputTensor: "Q8_0" })).toBe("Q8_0");
    expect(type({ outputTensor: "Q8_0", tokenEmbedding: "Q5_0" })).toBe("Q5_0");
  });

  test("rows that are whole blocks of no type become F16, and the choice says what was wanted", () => {
    const odd = tensors.map((tensor) => ({ ...tensor, shape: [...tensor.shape.slice(0, -1), 48] }));
    const { tensors: chosen } = chooseTypes({ target: "Q4_K_M", facts, tensors: odd });
    const matrices = chosen.filter(({ name }) => !name.includes("norm"));
    expect(new Set(matrices.map(({ type }) => type))).toEqual(new Set(["F16"]));
    expect(new Set(matrices.map(({ wanted }) => wanted))).toEqual(new Set(["Q8_0", "Q4_K", "Q6_K"]));
    // 96 is a multiple of 32: llama-quantize's own table
    const even = tensors.map((tensor) => ({ ...tensor, shape: [...tensor.shape.slice(0, -1), 96] }));
    const types = chooseTypes({ target: "Q4_K_M", facts, tensors: even }).tensors.map(({ type }) => type);
    expect(new Set(types)).toEqual(new Set(["F32", "Q5_0", "Q8_0"]));
  });

  test("pruned layers close the gap", () => {
    const chosen = chooseTypes({ target: "Q8_0", facts, tensors, options: { pruneLayers: [1] } });
    expect(chosen.tensors.length).toBe(21);
    const last = chosen.tensors.find(({ source }) => source === "blk.2.attn_v.weight");
    expect(last?.name).toBe("blk.1.attn_v.weight");
    expect([...chosen.metadata.set.keys()].at(-1)).toBe("llama.block_count");
    expect(chosen.metadata.set.get("llama.block_count")).toEqual({ type: "u32", value: 2 });
  });

  test("requantizing must be allowed, and copying is not requantizing", () => {
    const quantized = tensors.map((tensor) => ({
      ...tensor,
      encoding: tensor.encoding === "BF16" ? "Q8_0" : tensor.encoding,
    }));
    const run = (target: string, options: RecipeOptions = {}): TypeChoices =>
      chooseTypes({ target, facts, tensors: quantized, options });
    expect(() => run("Q4_0")).toThrow(/output.weight is Q8_0 already/);
    expect(run("Q8_0").tensors.every(({ from, type }) => from === type)).toBe(true);
    expect(run("COPY").tensors.every(({ from, type }) => from === type)).toBe(true);
    expect(run("COPY").metadata.set.get("general.file_type")).toEqual({ type: "u32", value: 32 });
    expect(run("Q4_0", { allowRequantize: true }).tensors[0]?.type).toBe("Q6_K");
  });

  test("an importance matrix must fit the model", () => {
    const weights = new Map(
      tensors.filter(({ name }) => name.startsWith("blk")).map(({ name, shape }) => [name, shape]),
    );
    const imatrix = (change: Record<string, number> = {}): Map<string, Float32Array> =>
      new Map(
        [...weights].map(([name, shape]) => [name, new Float32Array(change[name] ?? shape.at(-1) ?? 0)]),
      );
    const run = (matrix: Map<string, Float32Array>): TypeChoices =>
      chooseTypes({ target: "IQ2_XS", facts, tensors, imatrix: matrix });
    expect(run(imatrix()).tensors.find(({ name }) => name === "blk.0.ffn_up.weight")?.importance).toBe(
      "blk.0.ffn_up.weight",
    );
    expect(() => run(imatrix({ "blk.0.ffn_up.weight": 255 }))).toThrow(
      /has 255 weights for blk.0.ffn_up.weight, which needs 256/,
    );
    const partial = imatrix();
    partial.delete("blk.0.ffn_up.weight");
    expect(() => run(partial)).toThrow(/no weights for blk.0.ffn_up.weight/);
  });

  test("the metadata describes the part of the matrix that is used", () => {
    const imatrixOrigin = { file: "x".repeat(130), dataset: "text", entryCount: 21, chunkCount: 0 };
    const keys = (imatrix?: Map<string, Float32Array>): unknown[] => {
      const { metadata } = chooseTypes({ target: "Q8_0", facts, tensors, imatrix, imatrixOrigin });
      return [...metadata.set].map(([key, { value }]) => [key, value]);
    };
    const always = [
      ["general.quantization_version", 2],
      ["general.file_type", 7],
    ];
    const used = [
      ["quantize.imatrix.file", "x".repeat(127)],
      ["quantize.imatrix.dataset", "text"],
    ];
    expect(keys()).toEqual([...always, ...used, ["quantize.imatrix.entries_count", 21]]);
    const one = new Map([["blk.0.ffn_up.weight", new Float32Array(256)]]);
    expect(keys(one)).toEqual([...always, ...used, ["quantize.imatrix.entries_count", 1]]);
    expect(keys(new Map())).toEqual(always);
  });

  test("wrong options are refused by name", () => {
    const run = (options: RecipeOptions) => () => typeOf("output.weight", "Q4_0", options);
    expect(run({ outputTensor: "Q8_K" })).toThrow(/not a type for the weights/);
    expect(run({ outputTensor: "IQ4_K" })).toThrow(/IQ4_K .*ik_llama.cpp/);
    expect(run({ tensorTypes: [{ pattern: "(", type: "Q8_0" }] })).toThrow(/not a regular expression/);
  });
});

describe("Falcon", () => {
  const facts: RecipeFacts = {
    architecture: "falcon",
    layerCount: 32,
    headCount: 71,
    keyValueHeadCount: 1,
    expertCount: 0,
  };
  const tensors: RecipeTensor[] = [
    { name: "output.weight", shape: [64, 4608], encoding: "F16" },
    ...Array.from({ length: 32 }, (_, i) => [
      { name: `blk.${i}.attn_qkv.weight`, shape: [64, 4608], encoding: "F16" },
      { name: `blk.${i}.attn_output.weight`, shape: [64, 4608], encoding: "F16" },
      { name: `blk.${i}.ffn_down.weight`, shape: [64, 18176], encoding: "F16" },
    ]).flat(),
  ];
  const types = (target: string, part: string): string[] =>
    chooseTypes({ target, facts, tensors })
      .tensors.filter(({ name }) => name.includes(part))
      .map(({ type }) => type);

  // not measured: the rows of llama.cpp's src/llama-quant.cpp, read by hand
  test("has rules of its own", () => {
    expect(types("Q4_K_M", "output")[0]).toBe("Q8_0");
    expect(types("Q4_K_M", "ffn_down").slice(0, 5)).toEqual(["Q6_K", "Q6_K", "Q5_K", "Q5_K", "Q4_K"]);
    expect(types("Q3_K_M", "ffn_down").slice(0, 6)).toEqual(["Q5_K", "Q5_K", "Q4_K", "Q4_K", "Q3_K", "Q3_K"]);
    expect(new Set(types("Q3_K_L", "ffn_down"))).toEqual(new Set(["Q4_K"]));
    expect(new Set(types("Q4_K_S", "ffn_down"))).toEqual(new Set(["Q4_K"]));
    expect(new Set(types("Q3_K_L", "attn_output"))).toEqual(new Set(["Q4_K"]));
    expect(new Set(types("Q2_K", "attn_output"))).toEqual(new Set(["Q2_K"]));
    expect(types("Q4_K_M", "attn_qkv").slice(0, 5)).toEqual(["Q6_K", "Q6_K", "Q6_K", "Q6_K", "Q4_K"]);
  });
});

describe("MXFP4_MOE", () => {
  const stacked = (name: string): RecipeTensor => ({ name, shape: [4, 64, 256], encoding: "F16" });
  const types = (architecture: string): string[] =>
    chooseTypes({
      target: "MXFP4_MOE",
      facts: { architecture, layerCount: 1, headCount: 4, keyValueHeadCount: 4, expertCount: 4 },
      tensors: [stacked("blk.0.attn_k_b.weight"), stacked("blk.0.ffn_up_exps.weight")],
    }).tensors.map(({ type }) => type);

  // not measured: read by hand, as above
  test("treats stacked tensors as experts, except in bailingmoe3", () => {
    expect(types("deepseek2")).toEqual(["MXFP4", "MXFP4"]);
    expect(types("bailingmoe3")).toEqual(["Q8_0", "MXFP4"]);
  });
});

test("a tensor without layer number is refused where a rule needs the number", () => {
  const run = (target: string, name: string) => () =>
    chooseTypes({
      target,
      facts: { architecture: "llama", layerCount: 8, headCount: 4, keyValueHeadCount: 4, expertCount: 4 },
      tensors: [{ name, shape: [64, 256], encoding: "F16" }],
    });
  expect(run("Q4_K_M", "blk.8.ffn_down.weight")).toThrow(/in none of the 8 layers/);
  expect(run("Q4_K_M", "mtp.ffn_down.weight")).toThrow(/in none of the 8 layers/);
  expect(run("Q6_K", "mtp.ffn_down.weight")).not.toThrow();
});

test("overrides are divided at the last equals sign", () => {
  expect(parseTensorOverride("^blk\\.(?=1)=q6_k")).toEqual({ pattern: "^blk\\.(?=1)", type: "q6_k" });
  expect(parseTensorOverrides("a=Q8_0\n  b=F16 ")).toEqual([
    { pattern: "a", type: "Q8_0" },
    { pattern: "b", type: "F16" },
  ]);
  for (const text of ["=Q8_0", "a=", "a"]) expect(() => parseTensorOverride(text)).toThrow(/REGEX=TYPE/);
});

describe("file types", () => {
  test("names in any case, and the aliases of llama-quantize", () => {
    expect(fileTypeByName("q4_k_m").number).toBe(15);
    expect(fileTypeByName("Q5_K").name).toBe("Q5_K_M");
    expect(fileTypeByNumber(38)?.name).toBe("MXFP4_MOE");
    expect(fileTypeByNumber(0)?.name).toBe("F32");
    expect(fileTypeByNumber(140)).toMatchObject({ name: "IQ4_K", origin: "ik_llama.cpp" });
    expect(fileTypeByNumber(999)).toBeUndefined();
  });

  test("no name or number twice", () => {
    const both = [...fileTypes, ...foreignFileTypes];
    expect(new Set(both.map(({ name }) => name)).size).toBe(both.length);
    expect(new Set(both.map(({ number }) => number)).size).toBe(both.length);
  });

  test("targets of forks are refused by name, others as unknown", () => {
    expect(() => fileTypeByName("iq4_k_r4")).toThrow(/IQ4_K_R4 is a file type of ik_llama.cpp/);
    expect(() => fileTypeByName("NVFP4")).toThrow(/llama-quantize does not offer it/);
    expect(() => fileTypeByName("Q9_K")).toThrow(/"Q9_K" is not a GGUF target\. Did you mean q/);
  });

  test("rules name only targets that exist", () => {
    const offered = new Set(fileTypes.map(({ name }) => name));
    expect(rules.flatMap(({ files }) => files).filter((name) => !offered.has(name))).toEqual([]);
  });
});

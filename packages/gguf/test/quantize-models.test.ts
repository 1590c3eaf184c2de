/**
 * llama-quantize's files, byte for byte: types and order from the recipes, bytes from the codecs, metadata from both.
 * The reference is llama.cpp 0.7.0 with libggml 0.27.0, without fused multiply-add (see test/vectors/recipes).
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { memorySink, memorySource, rowLength } from "@requant/core";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type Imatrix, imatrixWeights, readImatrix } from "../src/imatrix.ts";
import {
  changeMetadata,
  chooseTypes,
  type ImatrixOrigin,
  recipeFacts,
  type TypeChoice,
  type TypeChoices,
} from "../src/recipes/index.ts";
import { openGguf } from "../src/shards.ts";
import { ggmlTypeByName } from "../src/types/index.ts";
import { writeGguf } from "../src/writer.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

type GgufSet = Awaited<ReturnType<typeof openGguf>>;
type Weights = ReadonlyMap<string, Float32Array>;

/** Rows of one tensor in another type: each expert with its own importance. */
function quantize(
  values: Float32Array,
  shape: readonly number[],
  type: string,
  importance?: Float32Array,
): Uint8Array {
  const { codec, blockSize, blockByteLength } = ggmlTypeByName(type);
  if (codec?.quantize === undefined) throw new Error(`${type} has no quantizer`);
  const columns = rowLength(shape);
  const matrices = shape.at(-3) ?? 1;
  const length = values.length / matrices;
  const byteLength = (length / blockSize) * blockByteLength;
  const bytes = new Uint8Array(byteLength * matrices);
  for (let i = 0; i < matrices; i++) {
    codec.quantize(
      values.subarray(i * length, (i + 1) * length),
      columns,
      bytes.subarray(i * byteLength, (i + 1) * byteLength),
      importance?.subarray(i * columns, (i + 1) * columns),
    );
  }
  return bytes;
}

/** The codecs' bytes of a float model: every tensor in every type once, for all targets. */
class Model {
  readonly set: GgufSet;
  readonly #values = new Map<string, Float32Array>();
  readonly #bytes = new Map<string, Uint8Array>();

  constructor(set: GgufSet) {
    this.set = set;
  }

  async bytes(choice: TypeChoice, weights: Weights | undefined): Promise<Uint8Array> {
    const importance = choice.importance === undefined ? undefined : weights?.get(choice.importance);
    const uses = ggmlTypeByName(choice.type).importance !== "ignored" && importance !== undefined;
    const key = `${choice.source} ${choice.type} ${uses}`;
    const done = this.#bytes.get(key);
    if (done !== undefined) return done;
    const bytes =
      choice.type === choice.from
        ? await this.#stored(choice.source)
        : quantize(await this.#floats(choice.source), choice.shape, choice.type, importance);
    this.#bytes.set(key, bytes);
    return bytes;
  }

  async #stored(name: string): Promise<Uint8Array> {
    const tensor = this.set.tensors.find((candidate) => candidate.name === name);
    if (tensor === undefined) throw new Error(`no ${name}`);
    return (await this.set.read(tensor, 0, tensor.byteLength)).slice();
  }

  async #floats(name: string): Promise<Float32Array> {
    const known = this.#values.get(name);
    if (known !== undefined) return known;
    const tensor = this.set.tensors.find((candidate) => candidate.name === name);
    const type = ggmlTypeByName(tensor?.encoding ?? "");
    const bytes = await this.#stored(name);
    const values = new Float32Array((bytes.length / type.blockByteLength) * type.blockSize);
    type.codec?.dequantize(bytes, values);
    this.#values.set(name, values);
    return values;
  }
}

function choose(set: GgufSet, target: string, weights?: Weights, origin?: ImatrixOrigin): TypeChoices {
  return chooseTypes({
    target,
    facts: recipeFacts(set.metadata),
    tensors: set.tensors,
    imatrix: weights,
    imatrixOrigin: origin,
  });
}

function originOf(imatrix: Imatrix, file: string): ImatrixOrigin {
  return {
    file,
    dataset: imatrix.datasets[0],
    entryCount: imatrix.entries.size,
    chunkCount: imatrix.chunkCount,
  };
}

async function fileOf(model: Model, choices: TypeChoices, weights: Weights | undefined): Promise<Uint8Array> {
  let file: Uint8Array = new Uint8Array(0);
  const sink = memorySink((bytes) => {
    file = bytes;
  });
  await writeGguf(sink, {
    metadata: changeMetadata(model.set.metadata, choices.metadata),
    tensors: choices.tensors.map((choice) => ({
      name: choice.name,
      shape: choice.shape,
      encoding: choice.type,
      data: async function* () {
        yield await model.bytes(choice, weights);
      },
    })),
  });
  await sink.close();
  return file;
}

const shape = z.array(z.number());

describe("the whole golden set", () => {
  const golden = process.env["REQUANT_GOLDEN"];
  const folder = golden ?? "";

  describe.skipIf(golden === undefined)("tiny-llama (skipped: REQUANT_GOLDEN is not set)", () => {
    const models = join(folder, "gguf", "models");
    const manifest = golden === undefined ? {} : tinyManifest(join(models, "manifest.json"));
    let model: Model;
    let imatrix: Imatrix;
    let weights: Weights;

    beforeAll(async () => {
      model = new Model(await openGguf(memorySource(readFileSync(join(models, "tiny-llama-F32.gguf")))));
      imatrix = await readImatrix(memorySource(readFileSync(join(models, "imatrix.gguf"))));
      weights = imatrixWeights(imatrix);
    });

    for (const [name, file] of Object.entries(manifest)) {
      const target = /^quantized(?:-imatrix)?\/tiny-llama-(\w+)/.exec(name)?.[1];
      if (target === undefined) continue;
      const used = name.includes(".imatrix.");
      test(`${target}${used ? " with imatrix" : ""}`, async () => {
        const origin = used ? originOf(imatrix, "fixtures/gguf/m/imatrix.gguf") : undefined;
        const choices = choose(model.set, target, used ? weights : undefined, origin);
        const bytes = await fileOf(model, choices, used ? weights : undefined);
        const written = await openGguf(memorySource(bytes));
        const found = await Promise.all(
          written.tensors.map(async (tensor) => [
            tensor.name,
            tensor.encoding,
            tensor.shape.toReversed(),
            tensor.byteOffset,
            sha256(await written.read(tensor, 0, tensor.byteLength)).slice(0, 16),
          ]),
        );
        expect(found).toEqual(file.tensors);
        expect(bytes.length).toBe(file.bytes);
        // files that were not kept differ in metadata: probably in the path of the matrix, which is not in the manifest
        if (!used || file.delivered) expect(sha256(bytes)).toBe(file.sha256);
      });
    }
  });

  describe.skipIf(golden === undefined)("tiny-qwen3 (skipped: REQUANT_GOLDEN is not set)", () => {
    const models = join(folder, "gguf", "models");
    const manifest = golden === undefined ? {} : tinyManifest(join(models, "manifest.json"));
    for (const [name, file] of Object.entries(manifest)) {
      const target = /^tiny-qwen3-(\w+)\.gguf$/.exec(name)?.[1];
      if (target === undefined || target === "F16") continue;
      test(target, async () => {
        const model = new Model(
          await openGguf(memorySource(readFileSync(join(models, "tiny-qwen3-F16.gguf")))),
        );
        const choices = choose(model.set, target);
        const bytes = await fileOf(model, choices, undefined);
        expect(sha256(bytes)).toBe(file.sha256);
      });
    }
  });

  describe.skipIf(golden === undefined)("--keep-split (skipped: REQUANT_GOLDEN is not set)", () => {
    const models = join(folder, "gguf", "models");
    test("Q4_K_M in the order of the source", async () => {
      const model = new Model(
        await openGguf(memorySource(readFileSync(join(models, "tiny-llama-F16.gguf")))),
      );
      const parts = [1, 2, 3].map((i) => join(models, "split", `tiny-llama-Q4_K_M-0000${i}-of-00003.gguf`));
      const split = await openGguf(parts.map((part) => memorySource(readFileSync(part), part)));
      const { tensors } = chooseTypes({
        target: "Q4_K_M",
        facts: recipeFacts(model.set.metadata),
        tensors: model.set.tensors,
        options: { keepOrder: true },
      });
      const found = await Promise.all(
        tensors.map(async (choice) => [
          choice.name,
          choice.type,
          sha256(await model.bytes(choice, undefined)),
        ]),
      );
      const expected = await Promise.all(
        split.tensors.map(async (tensor) => [
          tensor.name,
          tensor.encoding,
          sha256(await split.read(tensor, 0, tensor.byteLength)),
        ]),
      );
      expect(found).toEqual(expected);
    });
  });

  describe.skipIf(golden === undefined)("kjv (skipped: REQUANT_GOLDEN is not set)", () => {
    const folderOfKjv = join(folder, "kjv", "gguf");
    const files = golden === undefined ? [] : kjvManifest(join(folderOfKjv, "manifest.json"));
    let model: Model;
    let imatrix: Imatrix;
    let weights: Weights;

    beforeAll(async () => {
      model = new Model(await openGguf(memorySource(readFileSync(join(folderOfKjv, "kjv-BF16.gguf")))));
      imatrix = await readImatrix(memorySource(readFileSync(join(folderOfKjv, "imatrix.gguf"))));
      weights = imatrixWeights(imatrix);
    });

    for (const file of files) {
      if (file.target.includes("converter")) continue;
      test(`${file.target}${file.imatrix ? " with imatrix" : ""}`, async () => {
        const origin = file.imatrix ? originOf(imatrix, "imatrix.gguf") : undefined;
        const choices = choose(model.set, file.target, file.imatrix ? weights : undefined, origin);
        const found = await Promise.all(
          choices.tensors.map(async (choice) => [
            choice.name,
            choice.type,
            choice.shape.toReversed(),
            sha256(await model.bytes(choice, file.imatrix ? weights : undefined)),
          ]),
        );
        expect(found).toEqual(file.tensors);
        const bytes = await fileOf(model, choices, file.imatrix ? weights : undefined);
        expect(sha256(bytes)).toBe(file.sha256);
      });
    }
  });
});

function tinyManifest(path: string): Record<
  string,
  {
    bytes: number;
    sha256: string;
    delivered: boolean;
    tensors?: [string, string, number[], number, string][] | undefined;
  }
> {
  const tensor = z.tuple([z.string(), z.string(), shape, z.number(), z.string()]);
  return z
    .object({
      files: z.record(
        z.string(),
        z.object({
          bytes: z.number(),
          sha256: z.string(),
          delivered: z.boolean(),
          tensors: z.array(tensor).optional(),
        }),
      ),
    })
    .parse(JSON.parse(readFileSync(path, "utf8"))).files;
}

function kjvManifest(
  path: string,
): { target: string; imatrix: boolean; sha256: string; tensors: [string, string, number[], string][] }[] {
  const tensor = z.tuple([z.string(), z.string(), shape, z.string()]);
  return z
    .object({
      files: z.array(
        z.object({ target: z.string(), imatrix: z.boolean(), sha256: z.string(), tensors: z.array(tensor) }),
      ),
    })
    .parse(JSON.parse(readFileSync(path, "utf8"))).files;
}

/** Weights that the converter copies row by row, so that the Hugging Face file can replace the GGUF file. */
const sources: Readonly<Record<string, string>> = {
  "blk.0.attn_v.weight": "model.layers.0.self_attn.v_proj.weight",
  "blk.0.ffn_down.weight": "model.layers.0.mlp.down_proj.weight",
};

describe("two weights of the trained llama in every type that a target gives them", () => {
  const fixtures = new URL("../../../fixtures/kjv/", import.meta.url);
  const files = z
    .object({
      files: z.array(
        z.object({ imatrix: z.boolean(), tensors: z.array(z.tuple([z.string(), z.string(), z.string()])) }),
      ),
    })
    .parse(JSON.parse(readFileSync(new URL("reference.json", fixtures), "utf8"))).files;
  const cases = new Map<string, { name: string; type: string; imatrix: boolean; sha: string }>();
  for (const { imatrix, tensors } of files) {
    for (const [name, type, sha] of tensors) {
      if (name in sources)
        cases.set(`${name} ${type}${imatrix ? " with imatrix" : ""}`, { name, type, imatrix, sha });
    }
  }
  const model = new URL("hf/model.safetensors", fixtures);
  let weights: Weights;

  beforeAll(async () => {
    const path = new URL("./vectors/recipes/kjv-imatrix.gguf", import.meta.url);
    weights = imatrixWeights(await readImatrix(memorySource(readFileSync(path))));
  });

  test("the model is there, and nearly every type", () => {
    expect(existsSync(model)).toBe(true);
    expect(cases.size).toBeGreaterThan(75);
  });

  for (const [title, { name, type, imatrix, sha }] of cases) {
    test(title, () => {
      const { values, shape } = readBf16(model, sources[name] ?? "");
      const bytes = quantize(values, shape, type, imatrix ? weights.get(name) : undefined);
      expect(sha256(bytes)).toBe(sha);
    });
  }
});

function readBf16(path: URL, name: string): { values: Float32Array; shape: number[] } {
  const file = readFileSync(path);
  const headerLength = Number(file.readBigUInt64LE(0));
  const entry = z.object({
    dtype: z.literal("BF16"),
    shape,
    data_offsets: z.tuple([z.number(), z.number()]),
  });
  const header = z
    .record(z.string(), z.unknown())
    .parse(JSON.parse(file.toString("utf8", 8, 8 + headerLength)));
  const { shape: found, data_offsets } = entry.parse(header[name]);
  const bytes = file.subarray(8 + headerLength + data_offsets[0], 8 + headerLength + data_offsets[1]);
  const values = new Float32Array(bytes.length / 2);
  ggmlTypeByName("BF16").codec?.dequantize(bytes, values);
  return { values, shape: found };
}

/** Targets for texts that the command line reads from people and from files, and for whole models from bytes to report. */
import assert from "node:assert/strict";
import {
  inspectModel,
  metadataLines,
  openModel,
  parseMetadataAssignment,
  parsePlan,
  parseTarget,
  planConversion,
  verifyModels,
  weightFormats,
} from "../../packages/convert/src/index.ts";
import { namePattern } from "../../packages/core/src/format/index.ts";
import { checkStorePath, memoryStore } from "../../packages/core/src/index.ts";
import type { FuzzTarget } from "../engine/target.ts";
import { fileBytes, jsonBytes, textBytes } from "./bytes.ts";

const decoder = new TextDecoder();
const words = ["FORMAT", "LIMIT", "UNSUPPORTED", "USAGE", "CONVERSION"] as const;

export const planJson: FuzzTarget = {
  name: "plan-json",
  shape: "json",
  allowed: words,
  dictionary: [
    "version",
    "source",
    "target",
    "tensors",
    "files",
    "inputs",
    "kind",
    "gguf",
    "safetensors",
    "base64",
    "rows",
    "rowOrder",
    "metadata",
  ],
  seeds: () => [
    jsonBytes({
      version: 1,
      source: {
        name: "a",
        format: "gguf",
        variant: "v",
        tensorCount: 1,
        parameterCount: 4,
        files: [{ name: "f", byteLength: 9 }],
      },
      target: { format: "gguf", settings: { type: "F32" }, text: "gguf:f32" },
      tensors: [
        {
          name: "t",
          shape: [2, 2],
          from: "F16",
          to: "F32",
          fidelity: "exact",
          byteLength: 16,
          inputs: [{ tensor: "t" }],
        },
      ],
      files: [
        {
          kind: "gguf",
          name: "o.gguf",
          byteLength: 99,
          alignment: 32,
          metadata: [["k", { type: "array", elementType: "u64", value: ["1"] }]],
          tensors: [0],
        },
        { kind: "text", name: "config.json", byteLength: 2, text: "{}" },
      ],
      leftOut: [],
      findings: [],
      byteLength: 101,
    }),
  ],
  run(input) {
    let json: unknown;
    try {
      json = JSON.parse(decoder.decode(input));
    } catch {
      return;
    }
    parsePlan(json);
  },
};

export const metadataAssignment: FuzzTarget = {
  name: "metadata-assignment",
  allowed: words,
  dictionary: [
    "=str:",
    "=u64:",
    "=i8:",
    "=f32:",
    "=bool:true",
    "=u64[]:[",
    "=array[string]:",
    '["a"]',
    "general.tags=",
    "NaN",
    "-1",
    "1e400",
    "18446744073709551616",
  ],
  seeds: () =>
    [
      "general.name=str:My",
      "general.url=https://a",
      "a.b=u32:5",
      "c=bool:true",
      "d=f32:1e-5",
      "e=i64:-9",
      'general.tags=["a"]',
      "f=u64[]:[9007199254740993]",
    ].map(textBytes),
  run: (input) => parseMetadataAssignment(decoder.decode(input)),
};

/** The examples of all weight formats that can be written. */
const examples = (): string[] =>
  weightFormats.flatMap(({ name, target }) => (target === undefined ? [] : [`${name}:${target.example}`]));

export const targetText: FuzzTarget = {
  name: "target-text",
  allowed: words,
  dictionary: [
    "gguf:",
    "q4_k_m",
    "safetensors:",
    ...weightFormats.map(({ name }) => `${name}:`),
    ...new Set(examples().flatMap((example) => example.slice(example.indexOf(":") + 1).split("-"))),
  ],
  seeds: () => ["gguf:q4_k_m", "safetensors:bf16", "GGUF:Q8_0", ...examples()].map(textBytes),
  run: (input) => parseTarget(decoder.decode(input)),
};

/** Accepted names stay inside every folder that they are joined to. */
export const storePath: FuzzTarget = {
  name: "store-path",
  dictionary: ["..", "/", "\\", ":", "\u0000", ".", "//", "C:", "\u2028"],
  seeds: () => ["model.safetensors", "a/b.txt", "../x", "a/../../x", "/etc/passwd", "c:\\x"].map(textBytes),
  run(input) {
    const name = decoder.decode(input);
    checkStorePath(name, "store");
    const url = new URL(name.split("/").map(encodeURIComponent).join("/"), "http://host/folder/");
    assert(url.href.startsWith("http://host/folder/") && url.host === "host");
  },
};

/** A rule of a configuration and the name that it is matched against, one line each. */
export const patternText: FuzzTarget = {
  name: "name-pattern",
  maxByteLength: 512,
  dictionary: [".*", "a+", "(?:", "(?!", "(?=", "){2,}", "|", "[^", "\\d", "{0,99}", "\n", "^", "$"],
  seeds: () =>
    [".*gate.*\nmodel.layers.0.gate_proj", "(a*)*b\naaaaaaaaaaaaaaaa", "[^a-c]{2,3}\\.\nxyz."].map(textBytes),
  run(input) {
    const [pattern = "", name = ""] = decoder.decode(input).split("\n");
    namePattern(pattern, { steps: 1e6 })(name);
  },
};

/**
 * One file as a model: opened, inspected, compared with itself, planned. Slower than a single parser, but runs all of
 * them.
 */
function wholeModel(
  name: string,
  file: string,
  seeds: () => readonly Uint8Array[],
  shape: FuzzTarget["shape"],
): FuzzTarget {
  return {
    name,
    allowed: ["FORMAT", "LIMIT", "UNSUPPORTED", "CONVERSION"],
    maxByteLength: 24_576,
    shape: shape ?? "bytes",
    seeds,
    async run(input) {
      const store = memoryStore();
      store.files.set(file, input);
      const model = await openModel({ store, file });
      try {
        await inspectModel(model);
        if (model.gguf !== undefined) metadataLines(model.gguf.metadata);
        await verifyModels(model, model);
        await planConversion(model, parseTarget("gguf:q8_0"), {});
      } finally {
        await model.close();
      }
    },
  };
}

export const ggufWhole: FuzzTarget = wholeModel(
  "model-gguf",
  "m.gguf",
  () =>
    ["tiny-llama-f16", "nan-weights", "valid-every-type", "valid-bigendian-v3"].map((name) =>
      fileBytes(`fixtures/abuse/gguf/${name}.gguf`),
    ),
  "bytes",
);

export const safetensorsWhole: FuzzTarget = wholeModel(
  "model-safetensors",
  "m.safetensors",
  () =>
    ["st-valid-dtypes", "st-valid-metadata", "st-name-proto"].map((name) =>
      fileBytes(`fixtures/abuse/st/${name}.safetensors`),
    ),
  "safetensors",
);

/** The tables of whole models in docs/conversions.md: each cell plans, runs and verifies a conversion. */
import { largest, type MemoryStore, memoryStore } from "@requant/core";
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
import { hfDirectory, type Weights } from "../hf-directory.ts";
import {
  configOf,
  exl2Directory,
  floatDirectory,
  type LayerSize,
  packedDirectory,
  tokenizer,
} from "../run/packed-models.ts";
import {
  bitnet,
  float8BlocksBf16,
  float8Rows,
  hqq,
  llmInt8,
  perMeanMagnitude,
  quantoInt4,
  quantoInt8,
  type StoredFormat,
} from "./stored-formats.ts";

/** Small: every cell converts all of it. */
const SIZE: LayerSize = { keyValueHeads: 1, feedForward: 256 };

const floats = (encoding: "F32" | "BF16"): Promise<MemoryStore> => floatDirectory(encoding, 1, SIZE);

/** New codes of a target's own quantizer. */
async function written(
  target: string,
  encoding: "F32" | "BF16" = "F32",
  options: PlanOptions = {},
): Promise<MemoryStore> {
  const out = memoryStore({ name: target.replace(":", "-") });
  const model = await openModel({ store: await floats(encoding) });
  await runPlan(await planConversion(model, parseTarget(target), options), model, out);
  return out;
}

/** Blocks that ggml's quantizer makes of the linear weights. */
const blocks = (type: string): Promise<MemoryStore> =>
  written("gguf:q8_0", "F32", {
    tensorTypes: [
      { pattern: "blk.*_(q|k|v|output|gate|up|down)\\.weight", type },
      { pattern: ".*", type: "F32" },
    ],
  });

/** Linear weights as a tool stores them that Requant has no target for. */
async function stored({ format, config, store }: StoredFormat): Promise<MemoryStore> {
  const model = await openModel({ store: await floats("F32") });
  const weights: Weights = new Map();
  for (const { name, shape, encoding, byteLength } of model.storedTensors) {
    const bytes = (await model.readBytes(name, 0, byteLength)).slice();
    const [rows = 0, columns = 0] = shape;
    if (!isLinear(name)) weights.set(name, { shape, encoding, bytes });
    else {
      for (const [suffix, part] of store(new Float32Array(bytes.buffer), rows, columns)) {
        weights.set(name.replace(/weight$/, suffix), part);
      }
    }
  }
  const files = {
    "config.json": JSON.stringify({ ...configOf(SIZE), quantization_config: config }),
    "tokenizer.json": JSON.stringify(tokenizer),
    "tokenizer_config.json": JSON.stringify({ tokenizer_class: "PreTrainedTokenizerFast" }),
  };
  return hfDirectory(weights, files, format);
}

const random =
  (format: string, words: string, bits: number, sym: boolean, actOrder = false) =>
  (): Promise<MemoryStore> =>
    packedDirectory(format, words.split("-"), { bits, groupSize: 128, sym, actOrder, minZero: 1 }, 2, SIZE);

/** By group of rows, and by row. */
const sources: Readonly<Record<string, Readonly<Record<string, () => Promise<MemoryStore>>>>> = {
  "floats, GPTQ, AWQ, EXL2": {
    "float, BF16": () => floats("BF16"),
    "GPTQ 4-bit sym, 128": random("gptq", "4bit-128g-sym-v1", 4, true),
    "GPTQ 4-bit asym, 128": random("gptq", "4bit-128g-asym-v1", 4, false),
    "GPTQ 4-bit sym, 128, act-order": random("gptq", "4bit-128g-sym-v1", 4, true, true),
    "GPTQ 8-bit sym, 128": random("gptq", "8bit-128g-sym-v1", 8, true),
    "AWQ gemm, 128": random("awq", "gemm-128g", 4, false),
    "AWQ llm-awq, 128": random("awq", "llm-awq-128g", 4, false),
    "EXL2 4-bit + 3-bit": () => exl2Directory([4, 3], true, 3, SIZE),
  },
  "compressed-tensors, FP8, FP4": {
    "compressed-tensors 4-bit sym, 128": random("compressed-tensors", "4bit-128g-sym", 4, true),
    "compressed-tensors 4-bit sym, 32, BF16 scales (Kimi)": () =>
      written("compressed-tensors:4bit-32g-sym", "BF16"),
    "compressed-tensors W8A8, BF16 scales": () => written("compressed-tensors:w8a8", "BF16"),
    "FP8 blocks of 128, F32 scales": () => written("fp8:block-128"),
    "FP8 blocks of 128, BF16 scales": () => stored(float8BlocksBf16),
    "FP8 blocks of 128, powers of two": () => written("fp8:block-128-ue8m0"),
    "FP8 per channel, compressed-tensors": () => written("compressed-tensors:fp8-channel"),
    "FP8 per channel, fbgemm": () => stored(float8Rows),
    "NVFP4, compressed-tensors": () => written("compressed-tensors:nvfp4"),
    "NVFP4, ModelOpt": () => written("nvfp4:modelopt"),
    "MXFP4, compressed-tensors": () => written("compressed-tensors:mxfp4"),
  },
  "bitsandbytes, HQQ, quanto, BitNet": {
    "NF4, 64": () => written("bitsandbytes:nf4-64"),
    "LLM.int8": () => stored(llmInt8),
    "HQQ 4-bit, 64": () => stored(hqq),
    "quanto int8": () => stored(quantoInt8),
    "quanto int4, 128": () => stored(quantoInt4),
    BitNet: () => stored(bitnet(perMeanMagnitude)),
    "BitNet, scale a power of two": () => stored(bitnet(() => 16)),
  },
  "MLX and GGUF": {
    "MLX 4-bit, 64, f16 scales": () => written("mlx:4bit-64g-f16-scales"),
    "MLX mxfp4": () => written("mlx:mxfp4"),
    "MLX nvfp4": () => written("mlx:nvfp4"),
    "GGUF Q4_0": () => blocks("Q4_0"),
    "GGUF Q4_K": () => blocks("Q4_K"),
    "GGUF Q8_0": () => blocks("Q8_0"),
    "GGUF MXFP4": () => blocks("MXFP4"),
  },
};

const targets: readonly string[] = [
  "gguf:auto",
  "gguf:bf16",
  "gguf:q8_0",
  "gguf:q4_k_m",
  "gptq:4bit-128g-sym",
  "gptq:4bit-32g-asym",
  "gptq:8bit-32g-sym",
  "awq:gemm-128g",
  "compressed-tensors:4bit-128g-sym",
  "exl2:4.5bpw-h16",
  "mlx:4bit-32g",
  "safetensors:f16",
  "safetensors:f32",
];

const WORDS: Readonly<Record<string, string>> = { requantized: "new codes", float: "rounded" };
const ORDER: readonly string[] = ["copy", "exact", "rounded", "float", "requantized"];

function isLinear(name: string): boolean {
  return /_proj\.weight$|\.(attn_(q|k|v|output)|ffn_(gate|up|down))\.weight$/.test(name);
}

async function open(store: MemoryStore): Promise<Model> {
  return openModel({ store, file: [...store.files.keys()].find((name) => name.endsWith(".gguf")) });
}

function typesOf({ tensors }: Plan): string {
  return [...new Set(tensors.flatMap(({ name, to }) => (isLinear(name) ? [to] : [])))].join(", ");
}

/** What becomes of the linear weights, and, where they change, by how much at most. @throws when a promise is not kept */
async function cell(store: MemoryStore, target: string): Promise<string> {
  const model = await open(store);
  const options = { allowRequantize: true };
  const plan = await planConversion(model, parseTarget(target), options);
  const out = memoryStore({ name: "out" });
  const report = await runPlan(plan, model, out);
  const verified = await verifyModels(model, await open(out), { diagnoses: [] });
  const linear = report.tensors.filter(({ name }) => isLinear(name));
  const worst = ORDER.filter((word) => linear.some(({ fidelity }) => fidelity === word)).at(-1) ?? "none";
  const found = verified.tensors.filter(({ name }) => isLinear(name));
  if (linear.length === 0 || found.length !== linear.length)
    throw new Error(`${target}: weights are missing`);
  for (const { name, fidelity } of linear) {
    // names differ between the models; verify uses the GGUF's where one is a GGUF
    const same =
      found.find((tensor) => tensor.name === name) ?? found[linear.findIndex((one) => one.name === name)];
    if (
      (fidelity === "copy" || fidelity === "exact") &&
      linear.length === found.length &&
      worst !== "requantized"
    ) {
      if (same?.equal !== true) throw new Error(`${target}: ${name} was promised ${fidelity} and differs`);
    }
  }
  const lossless = worst === "copy" || worst === "exact";
  const refused = await planConversion(model, parseTarget(target), { ...options, exact: true }).then(
    () => false,
    (error: { code?: string }) => error.code === "CONVERSION",
  );
  if (!lossless && !refused) throw new Error(`${target}: --exact was not refused`);
  if (lossless) {
    const inHalf = found.some(({ comparedIn }) => comparedIn === "f16");
    const word = inHalf && worst === "exact" ? "exact in f16" : worst;
    const types = typesOf(plan);
    const isAsked = !target.startsWith("gguf:") || target === `gguf:${types.toLowerCase()}`;
    return isAsked ? word : `${word}: ${types}`;
  }
  const error = largest(found.map(({ relativeRmse }) => relativeRmse)) ?? 0;
  return `${WORDS[worst] ?? worst}, ${error > 0 && error < 0.001 ? error.toExponential(0) : error.toPrecision(1)}`;
}

/** One table for each group of formats. */
export async function directoryTables(): Promise<string> {
  const tables: string[] = [];
  for (const [group, rows] of Object.entries(sources)) {
    const lines = [
      `### From ${group}, whole`,
      "",
      `| from \\ \`--to\` | ${targets.map((target) => `\`${target}\``).join(" | ")} |`,
      `|${"---|".repeat(targets.length + 1)}`,
    ];
    for (const [name, make] of Object.entries(rows)) {
      const store = await make();
      const cells: string[] = [];
      for (const target of targets) cells.push(await cell(store, target));
      lines.push(`| ${name} | ${cells.join(" | ")} |`);
    }
    tables.push(lines.join("\n"));
  }
  return tables.join("\n\n");
}

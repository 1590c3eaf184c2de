/** The table of whole models in docs/conversions.md: each cell plans, runs and verifies a conversion. */
import { largest, type MemoryStore, memoryStore } from "@requant/core";
import { type Model, openModel, parseTarget, planConversion, runPlan, verifyModels } from "../src/index.ts";
import { exl2Directory, floatDirectory, packedDirectory } from "./run/packed-models.ts";

/** New codes of mlx-lm's own kind: biases that are hardly ever whole multiples of their scales. */
async function mlx(target: string): Promise<MemoryStore> {
  const out = memoryStore({ name: target.replace(":", "-") });
  const model = await openModel({ store: await floatDirectory("F32") });
  await runPlan(await planConversion(model, parseTarget(target)), model, out);
  return out;
}

async function gguf(target: string): Promise<MemoryStore> {
  const out = memoryStore({ name: target.replace(":", "-") });
  const model = await openModel({ store: await floatDirectory("F32") });
  await runPlan(await planConversion(model, parseTarget(target), { pure: true }), model, out);
  return out;
}

const view = (bits: number, groupSize: number, sym: boolean, actOrder = false) => ({
  bits,
  groupSize,
  sym,
  actOrder,
  minZero: 1,
});

const sources: Readonly<Record<string, () => Promise<MemoryStore>>> = {
  "float, BF16": () => floatDirectory("BF16"),
  "GPTQ 4-bit sym, 128": () => packedDirectory("gptq", ["4bit", "128g", "sym", "v1"], view(4, 128, true)),
  "GPTQ 4-bit asym, 128": () => packedDirectory("gptq", ["4bit", "128g", "asym", "v1"], view(4, 128, false)),
  "GPTQ 4-bit sym, 128, act-order": () =>
    packedDirectory("gptq", ["4bit", "128g", "sym", "v1"], view(4, 128, true, true)),
  "GPTQ 8-bit sym, 128": () => packedDirectory("gptq", ["8bit", "128g", "sym", "v1"], view(8, 128, true)),
  "AWQ gemm, 128": () => packedDirectory("awq", ["gemm", "128g"], view(4, 128, false)),
  "AWQ llm-awq, 128": () => packedDirectory("awq", ["llm", "awq", "128g"], view(4, 128, false)),
  "compressed-tensors 4-bit sym, 128": () =>
    packedDirectory("compressed-tensors", ["4bit", "128g", "sym"], view(4, 128, true)),
  "EXL2 4-bit + 3-bit": () => exl2Directory([4, 3], true),
  "MLX 4-bit, 64, f16 scales": () => mlx("mlx:4bit-64g-f16-scales"),
  "GGUF Q4_0": () => gguf("gguf:q4_0"),
  "GGUF Q4_K": () => gguf("gguf:q4_k_s"),
  "GGUF Q8_0": () => gguf("gguf:q8_0"),
};

const targets: readonly string[] = [
  "gguf:auto",
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

/** What becomes of the linear weights, and, where they change, by how much at most. @throws when a promise is not kept */
async function cell(store: MemoryStore, target: string): Promise<string> {
  const model = await open(store);
  const options = { allowRequantize: true };
  const plan = await planConversion(model, parseTarget(target), options);
  const out = memoryStore({ name: "out" });
  const report = await runPlan(plan, model, out);
  const verified = await verifyModels(model, await open(out));
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
    return inHalf && worst === "exact" ? "exact in f16" : worst;
  }
  const error = largest(found.map(({ relativeRmse }) => relativeRmse)) ?? 0;
  return `${WORDS[worst] ?? worst}, ${error < 0.001 ? error.toExponential(0) : error.toPrecision(1)}`;
}

export async function directoryTable(): Promise<string> {
  const lines = [
    `| from \\ \`--to\` | ${targets.map((target) => `\`${target}\``).join(" | ")} |`,
    `|${"---|".repeat(targets.length + 1)}`,
  ];
  for (const [name, make] of Object.entries(sources)) {
    const store = await make();
    const cells: string[] = [];
    for (const target of targets) cells.push(await cell(store, target));
    lines.push(`| ${name} | ${cells.join(" | ")} |`);
  }
  return lines.join("\n");
}

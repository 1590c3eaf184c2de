/** A 2 GB-shaped GPTQ directory, whose files are holes: what opening, planning and converting it hold in memory. */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { kernelMemory } from "@requant/core/kernels";
import { directoryStore } from "@requant/core/node";
import { layoutSafetensors } from "@requant/safetensors";
import { afterAll, describe, expect, it } from "vitest";
import { type Model, openModel, type Plan, parseTarget, planConversion, runPlan } from "../../src/index.ts";
import { config, tokenizer } from "../run/packed-models.ts";

const MIB = 1024 * 1024;
const HIDDEN = 4096;
const FEED_FORWARD = 11008;
const LAYERS = 20;
const GROUP = 128;

const folder = mkdtempSync(join(tmpdir(), "requant-memory-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function modules(layer: number): (readonly [name: string, rows: number, columns: number])[] {
  const at = (name: string): string => `model.layers.${layer}.${name}`;
  return [
    ...["q_proj", "k_proj", "v_proj", "o_proj"].map(
      (name) => [at(`self_attn.${name}`), HIDDEN, HIDDEN] as const,
    ),
    [at("mlp.gate_proj"), FEED_FORWARD, HIDDEN],
    [at("mlp.up_proj"), FEED_FORWARD, HIDDEN],
    [at("mlp.down_proj"), HIDDEN, FEED_FORWARD],
  ];
}

/** Zero codes, zero points 1 (v1 stores 0) and scales 0: nothing is on the disk but the header. */
function makeDirectory(): string {
  const path = join(folder, "gptq");
  const file = join(path, "model.safetensors");
  const layers = Array.from({ length: LAYERS }, (_, layer) => layer);
  const tensors = [
    ...layers.flatMap((layer) => [
      ...modules(layer).flatMap(([name, rows, columns]) => [
        { name: `${name}.qweight`, encoding: "I32", shape: [columns / 8, rows] },
        { name: `${name}.qzeros`, encoding: "I32", shape: [columns / GROUP, rows / 8] },
        { name: `${name}.scales`, encoding: "F16", shape: [columns / GROUP, rows] },
      ]),
      { name: `model.layers.${layer}.input_layernorm.weight`, encoding: "F16", shape: [HIDDEN] },
      { name: `model.layers.${layer}.post_attention_layernorm.weight`, encoding: "F16", shape: [HIDDEN] },
    ]),
    { name: "model.embed_tokens.weight", encoding: "F16", shape: [64, HIDDEN] },
    { name: "model.norm.weight", encoding: "F16", shape: [HIDDEN] },
    { name: "lm_head.weight", encoding: "F16", shape: [64, HIDDEN] },
  ];
  const { header, byteLength } = layoutSafetensors(tensors, { format: "pt" });
  expect(byteLength).toBeGreaterThan(2e9);
  mkdirSync(path, { recursive: true });
  writeFileSync(file, header);
  truncateSync(file, byteLength);
  writeFileSync(join(path, "tokenizer.json"), JSON.stringify(tokenizer));
  writeFileSync(
    join(path, "config.json"),
    JSON.stringify({
      ...config,
      hidden_size: HIDDEN,
      intermediate_size: FEED_FORWARD,
      num_hidden_layers: LAYERS,
      num_attention_heads: 32,
      num_key_value_heads: 32,
      quantization_config: { quant_method: "gptq", bits: 4, group_size: GROUP, sym: false, desc_act: false },
    }),
  );
  return path;
}

/** Array buffers, and the memory of the kernels, which only grows: what an earlier run made of it counts as well. */
function bytesInUse(): number {
  return process.memoryUsage().arrayBuffers + kernelMemory().buffer.byteLength;
}

setFlagsFromString("--expose-gc");
/** Without it, the figure is that of buffers which are no longer in use and not collected yet: it follows the machine's load. */
const collectGarbage: () => void = runInNewContext("gc");

/** Runs one output file and tells the most memory that was in use meanwhile. */
async function peakOf(
  plan: Plan,
  model: Model,
  file: string,
): Promise<{ peak: number; seconds: number; bytes: number }> {
  collectGarbage();
  const before = process.memoryUsage().arrayBuffers;
  let peak = 0;
  const look = (): void => {
    if (bytesInUse() - before <= peak) return;
    collectGarbage();
    peak = Math.max(peak, bytesInUse() - before);
  };
  const timer = setInterval(look, 5);
  const started = performance.now();
  const output = directoryStore(join(folder, `out-${file}`), { overwrite: true });
  let bytes = 0;
  await runPlan(plan, model, output, {
    files: [file],
    overwrite: true,
    check: false,
    onProgress: ({ done }) => {
      bytes = done;
      look();
    },
  });
  clearInterval(timer);
  return { peak, seconds: (performance.now() - started) / 1000, bytes };
}

/** codes, zero points and scales of the largest weight */
const largest = (FEED_FORWARD * HIDDEN) / 2 + ((FEED_FORWARD * HIDDEN) / GROUP) * 2.5;

describe("memory on a 2 GB-shaped directory", () => {
  it.each([["gguf:q5_0"], ["awq:gemm-128g"]])(
    "%s: one weight's stored parts and a few bands",
    async (target) => {
      const model = await openModel({ store: directoryStore(makeDirectory()) });
      const started = performance.now();
      const plan = await planConversion(model, parseTarget(target), { shardSize: 120 * MIB });
      const planned = (performance.now() - started) / 1000;
      const shard = plan.files.find(({ kind, name }) => kind !== "text" && /-00002-of-/.test(name));
      const { peak, seconds, bytes } = await peakOf(plan, model, shard?.name ?? "");
      console.log(
        `${target}: planned in ${planned.toFixed(1)} s, ${(bytes / MIB).toFixed(0)} MiB written in ${seconds.toFixed(1)} s, peak ${(peak / MIB).toFixed(0)} MiB; the largest weight's parts are ${(largest / MIB).toFixed(0)} MiB`,
      );
      // the source's parts of two weights, the output's where it is packed too, what kernels have of their own, and bands
      expect(peak).toBeLessThan(4 * largest + 96 * MIB);
      await model.close();
    },
    120_000,
  );
});

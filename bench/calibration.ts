/**
 * What calibration costs, on a slice of a model of half a billion weights (hidden 896, feed-forward 4864, 14 heads over 2):
 * tokens a second of the forward pass beside llama.cpp's prompt processing of the same F32 file with as many threads, then
 * the statistics of 16,384 tokens, and conversions that use them. The figures of 24 layers are those of the slice, times the
 * layers. node --conditions=@requant/source bench/calibration.ts <folder> [layers]; needs `pnpm build`.
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  memoryStates,
  openDecoder,
  StatisticsCollector,
  sharedNames,
  wasmCompute,
  writeStatistics,
} from "@requant/calibrate";
import { nodeThreads } from "@requant/calibrate/node";
import { decoderSource, openModel } from "@requant/convert";
import { directoryStore, fileSink } from "@requant/core/node";
import { getLlama, LlamaLogLevel, type Token } from "node-llama-cpp";
import { nodeUsage } from "./child-process.ts";
import { makeModel } from "./make-model.ts";
import { randomNumbers } from "./random.ts";

const [folder = "", layerText = "2"] = process.argv.slice(2);
const layers = Number(layerText);
const THREADS = availableParallelism();
const WINDOW = 512;
const FULL_LAYERS = 24;
const ROUNDS = 3;
const command = fileURLToPath(new URL("../packages/cli/dist/bin.js", import.meta.url));
const shape = {
  layers,
  width: 896,
  feedForward: 4864,
  heads: 14,
  keyValueHeads: 2,
  vocabularySize: 32_000,
};

const [f16, f32, statistics] = ["slice-f16.gguf", "slice-f32.gguf", "statistics.safetensors"].map((name) =>
  join(folder, name),
) as [string, string, string];

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1e3;
}

function tokensOf(windows: number): Int32Array {
  const random = randomNumbers(3);
  return Int32Array.from({ length: windows * WINDOW }, () => Math.floor(random() * shape.vocabularySize));
}

/** Seconds of all layers of the slice; the head is not run, as llama.cpp runs it for one token only. */
async function requantForward(windows: number): Promise<number> {
  const model = await openModel({ store: directoryStore(folder), file: "slice-f32.gguf" });
  const compute = wasmCompute({ threads: nodeThreads({ jobs: THREADS }) });
  try {
    const decoder = openDecoder(await decoderSource(model), { compute });
    const states = memoryStates(windows, WINDOW, decoder.hidden);
    return await timed(async () => {
      await decoder.embed(tokensOf(windows), states);
      for (let layer = 0; layer < decoder.layers; layer++) await decoder.runLayer(layer, states);
    });
  } finally {
    await compute.close();
    await model.close();
  }
}

async function llamaForward(windows: number): Promise<number> {
  const llama = await getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    logLevel: LlamaLogLevel.error,
  });
  const model = await llama.loadModel({ modelPath: f32 });
  const context = await model.createContext({ contextSize: WINDOW, batchSize: WINDOW, threads: THREADS });
  const sequence = context.getSequence();
  const ids = Array.from(tokensOf(windows)) as Token[];
  let seconds = 0;
  for (let window = 0; window < windows; window++) {
    await sequence.clearHistory();
    const own = ids.slice(window * WINDOW, (window + 1) * WINDOW);
    seconds += await timed(() => sequence.evaluateWithoutGeneratingNewTokens(own));
  }
  await model.dispose();
  return seconds;
}

async function collect(windows: number): Promise<number> {
  const model = await openModel({ store: directoryStore(folder), file: "slice-f32.gguf" });
  const compute = wasmCompute({ threads: nodeThreads({ jobs: THREADS }) });
  try {
    const source = await decoderSource(model);
    const { inputs } = openDecoder(source);
    const collector = new StatisticsCollector({ compute, inputs });
    const decoder = openDecoder(source, { compute, observer: collector });
    const states = memoryStates(windows, WINDOW, decoder.hidden);
    const entries: Awaited<ReturnType<StatisticsCollector["take"]>>[number][] = [];
    const seconds = await timed(async () => {
      await decoder.embed(tokensOf(windows), states);
      for (let layer = 0; layer < decoder.layers; layer++) {
        await decoder.runLayer(layer, states);
        for (const entry of await collector.take()) entries.push(entry);
      }
    });
    const sink = await fileSink(statistics, { overwrite: true });
    await writeStatistics(sink, entries, { shared: sharedNames(inputs), windows, window: WINDOW });
    await sink.close();
    for (const entry of entries) entry.release();
    return seconds;
  } finally {
    await compute.close();
    await model.close();
  }
}

await makeModel(f16, shape, { tokens: shape.vocabularySize, merges: 20_000 });
await nodeUsage(command, ["convert", f16, f32, "--to", "gguf:f32", "--overwrite"]);

const rates = { requant: [] as number[], llama: [] as number[] };
for (let round = 0; round < ROUNDS; round++) {
  rates.requant.push((4 * WINDOW * layers) / (await requantForward(4)) / FULL_LAYERS);
  rates.llama.push((4 * WINDOW * layers) / (await llamaForward(4)) / FULL_LAYERS);
}
say(`forward, tokens a second of ${FULL_LAYERS} layers, ${THREADS} threads (${ROUNDS} rounds in turns)`);
for (const [name, all] of Object.entries(rates))
  say(`  ${name}: ${all.map((rate) => rate.toFixed(0)).join(", ")}`);

const statisticsSeconds = await collect(32);
say(
  `statistics of 16,384 tokens: ${((statisticsSeconds / layers) * FULL_LAYERS).toFixed(0)} s for ${FULL_LAYERS} layers`,
);
for (const target of ["gguf:q4_0", "gguf:q4_k_m"]) {
  const out = join(folder, "out.gguf");
  const types = ["--output-tensor", "bf16", "--token-embedding", "bf16"];
  const options = ["--to", target, "--calibrate", statistics, "--overwrite", "--no-verify", ...types];
  const { wallSeconds, cpuSeconds, peakBytes } = await nodeUsage(command, ["convert", f32, out, ...options]);
  const weights = layers * (2 * 896 * 896 + 2 * 128 * 896 + 3 * 896 * 4864);
  say(
    `${target}: ${((wallSeconds / layers) * FULL_LAYERS).toFixed(0)} s for ${FULL_LAYERS} layers, ` +
      `${(cpuSeconds / (weights / 1e6)).toFixed(2)} processor seconds a million weights, peak ${(peakBytes / 1e6).toFixed(0)} MB`,
  );
}

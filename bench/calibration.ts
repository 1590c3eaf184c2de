/**
 * What calibration costs: writes bench/calibration.json and the section "Cost" of docs/calibration.md, which says what is
 * measured and how. Needs `pnpm build`.
 *   node --conditions=@requant/source bench/calibration.ts <folder for temporary files> [layers]
 */
import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import {
  type CollectedEntry,
  type Decoder,
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
import { getLlama, type Llama, LlamaLogLevel, type Token } from "node-llama-cpp";
import { type CalibrationCost, withCost } from "./calibration-cost.ts";
import { nodeUsage } from "./child-process.ts";
import { machineFacts } from "./machine.ts";
import { makeModel } from "./make-model.ts";
import { randomNumbers } from "./random.ts";
import { spread } from "./results.ts";
import { command } from "./start-up.ts";

const [folder = "", layerText = "2"] = process.argv.slice(2);
const layers = Number(layerText);
const THREADS = availableParallelism();
const WINDOW = 512;
const FORWARD_WINDOWS = 8;
const CALIBRATION_WINDOWS = 32;
const ROUNDS = 5;
const VOCABULARY = 32_000;
const TARGETS = ["gguf:q4_0", "gguf:q4_k_m"];

const slice = "slice.gguf";
const statistics = join(folder, "statistics.safetensors");

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1e3;
}

/** Makes a model in F32 and returns its path. */
async function makeSlice(name: string, count: number): Promise<string> {
  const [half, path] = [join(folder, "half.gguf"), join(folder, name)];
  const shape = { layers: count, width: 896, feedForward: 4864, heads: 14, keyValueHeads: 2 };
  const words = { tokens: VOCABULARY, merges: 20_000 };
  await makeModel(half, { ...shape, vocabularySize: VOCABULARY }, words);
  await nodeUsage(command, ["convert", half, path, "--to", "gguf:f32", "--overwrite", "--no-verify"]);
  return path;
}

function idsOf(windows: number): Int32Array {
  const random = randomNumbers(3);
  return Int32Array.from({ length: windows * WINDOW }, () => Math.floor(random() * VOCABULARY));
}

/** Seconds of all layers; embeddings and head are not in them. */
async function requantForward(decoder: Decoder): Promise<number> {
  const states = memoryStates(FORWARD_WINDOWS, WINDOW, decoder.hidden);
  await decoder.embed(idsOf(FORWARD_WINDOWS), states);
  return secondsOf(async () => {
    for (let layer = 0; layer < decoder.layers; layer++) await decoder.runLayer(layer, states);
  });
}

/** A model in llama.cpp, and what measures its evaluation of all windows. */
async function openLlama(llama: Llama, path: string) {
  const model = await llama.loadModel({ modelPath: path });
  const context = await model.createContext({ contextSize: WINDOW, batchSize: WINDOW, threads: THREADS });
  const sequence = context.getSequence();
  return {
    async seconds(): Promise<number> {
      const ids = Array.from(idsOf(FORWARD_WINDOWS)) as Token[];
      let seconds = 0;
      for (let start = 0; start < ids.length; start += WINDOW) {
        await sequence.clearHistory();
        const window = ids.slice(start, start + WINDOW);
        seconds += await secondsOf(() => sequence.evaluateWithoutGeneratingNewTokens(window));
      }
      return seconds;
    },
    close: () => model.dispose(),
  };
}

/** Both sides in turns; the first round starts threads and does not count. */
async function measureForward(): Promise<Pick<CalibrationCost, "forward" | "llamaInstructions">> {
  const llama = await getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    logLevel: LlamaLogLevel.error,
  });
  const one = await openLlama(llama, await makeSlice("one.gguf", 1));
  const more = await openLlama(llama, await makeSlice("more.gguf", layers + 1));
  const model = await openModel({ store: directoryStore(folder), file: slice });
  const compute = wasmCompute({ threads: nodeThreads({ jobs: THREADS }) });
  const decoder = openDecoder(await decoderSource(model), { compute });
  const [requant, theirs]: [number[], number[]] = [[], []];
  try {
    for (let round = 0; round <= ROUNDS; round++) {
      const own = await requantForward(decoder);
      const other = (await more.seconds()) - (await one.seconds());
      say(`forward of ${layers} layers: ${own.toFixed(2)} s, llama.cpp ${other.toFixed(2)} s`);
      if (round === 0) continue;
      requant.push(own / layers);
      theirs.push(other / layers);
    }
  } finally {
    await compute.close();
    await model.close();
    await one.close();
    await more.close();
  }
  return {
    forward: { requant: spread(requant), llama: spread(theirs) },
    llamaInstructions: llama.systemInfo.replace(/[\s|]+$/, "").replace(/^CPU : /, ""),
  };
}

/** Writes the statistics and returns the seconds that they took, the start of threads and the writing among them. */
async function collect(): Promise<number> {
  const model = await openModel({ store: directoryStore(folder), file: slice });
  const source = await decoderSource(model);
  const { inputs } = openDecoder(source);
  try {
    return await secondsOf(async () => {
      const compute = wasmCompute({ threads: nodeThreads({ jobs: THREADS }) });
      const collector = new StatisticsCollector({ compute, inputs });
      const decoder = openDecoder(source, { compute, observer: collector });
      const states = memoryStates(CALIBRATION_WINDOWS, WINDOW, decoder.hidden);
      await decoder.embed(idsOf(CALIBRATION_WINDOWS), states);
      const entries: CollectedEntry[] = [];
      for (let layer = 0; layer < decoder.layers; layer++) {
        await decoder.runLayer(layer, states);
        for (const entry of await collector.take()) entries.push(entry);
      }
      const sink = await fileSink(statistics, { overwrite: true });
      await writeStatistics(sink, entries, {
        shared: sharedNames(inputs),
        windows: CALIBRATION_WINDOWS,
        window: WINDOW,
      });
      await sink.close();
      await compute.close();
    });
  } finally {
    await model.close();
  }
}

async function convert(target: string) {
  const tables = ["--output-tensor", "bf16", "--token-embedding", "bf16"];
  const options = ["--to", target, "--calibrate", statistics, "--overwrite", "--no-verify", ...tables];
  const files = [join(folder, slice), join(folder, "out.gguf")];
  const { wallSeconds, peakBytes } = await nodeUsage(command, ["convert", ...files, ...options]);
  say(`${target}: ${wallSeconds.toFixed(1)} s for ${layers} layers`);
  return { wallSeconds, peakBytes };
}

const loadAtStart = loadavg()[0] ?? 0;
await makeSlice(slice, layers);
const forward = await measureForward();
const statisticsSeconds = await collect();
say(`statistics: ${statisticsSeconds.toFixed(1)} s for ${layers} layers`);
const conversions: Record<string, { wallSeconds: number; peakBytes: number }> = {};
for (const target of TARGETS) conversions[target] = await convert(target);
const cost: CalibrationCost = {
  date: new Date().toISOString().slice(0, 10),
  machine: machineFacts(loadAtStart),
  layers,
  tokens: FORWARD_WINDOWS * WINDOW,
  ...forward,
  calibrationTokens: CALIBRATION_WINDOWS * WINDOW,
  statisticsSeconds,
  conversions,
};
await writeFile(new URL("calibration.json", import.meta.url), `${JSON.stringify(cost, undefined, 1)}\n`);
const page = new URL("../docs/calibration.md", import.meta.url);
await writeFile(page, withCost(await readFile(page, "utf8"), cost));

/**
 * kjv from text to statistics and scores, on kernels and threads. Oracles: llama-imatrix's matrix, and what torch measured
 * (golden/kjv/results.json).
 */
import { readFileSync } from "node:fs";
import {
  bosOf,
  decoderLogits,
  type Evaluation,
  evaluateModel,
  type HiddenStates,
  importanceSums,
  memoryStates,
  openDecoder,
  openStatistics,
  openTokenizer,
  StatisticsCollector,
  sharedNames,
  textWindows,
  wasmCompute,
  writeStatistics,
} from "@requant/calibrate";
import { nodeThreads } from "@requant/calibrate/node";
import { memorySource, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { type Model, openModel } from "../../convert/src/index.ts";
import { readImatrix } from "../../gguf/src/index.ts";
import { ggufSource } from "./model-source.ts";

const golden = process.env["REQUANT_GOLDEN"];
const kjv = `${golden}/kjv`;
const WINDOW = 256;

describe.skipIf(golden === undefined)("kjv (needs REQUANT_GOLDEN)", () => {
  const compute = wasmCompute({ threads: nodeThreads({ jobs: 2 }) });
  const models: Model[] = [];
  afterAll(async () => {
    for (const model of models) await model.close();
    await compute.close();
  });

  function windowsOf(text: string, bos: number | undefined): Int32Array[] {
    const tokenizer = openTokenizer({ tokenizer: readFileSync(`${kjv}/hf/tokenizer.json`) });
    return textWindows(tokenizer.encode(readFileSync(`${kjv}/${text}`, "utf8")), { window: WINDOW, bos });
  }

  function joined(windows: readonly Int32Array[]): Int32Array {
    const all = new Int32Array(windows.length * WINDOW);
    for (const [index, window] of windows.entries()) all.set(window, index * WINDOW);
    return all;
  }

  it("has the importance matrix of llama-imatrix, within 0.5 %", async () => {
    const model = await openModel({ store: directoryStore(`${kjv}/gguf`), file: "kjv-BF16.gguf" });
    const source = ggufSource(model);
    const windows = windowsOf("gguf/imatrix_calib.txt", bosOf(source.metadata));
    const { inputs } = openDecoder(source);
    const observer = new StatisticsCollector({ compute, inputs });
    const decoder = openDecoder(source, { compute, observer });
    const states = memoryStates(windows.length, WINDOW, decoder.hidden);
    await decoder.embed(joined(windows), states);
    for (let layer = 0; layer < decoder.layers; layer++) await decoder.runLayer(layer, states);
    await model.close();
    const store = memoryStore();
    const sink = await store.create("stats.safetensors");
    // the head is not run here, and has no entry
    const shared = sharedNames(inputs.filter(({ name }) => name.startsWith("blk.")));
    await writeStatistics(sink, await observer.take(), { shared, windows: windows.length, window: WINDOW });
    await sink.close();
    const reader = await openStatistics(store, { file: "stats.safetensors" });
    const matrix = await readImatrix(memorySource(readFileSync(`${kjv}/gguf/imatrix.gguf`)));
    const names: string[] = [];
    let worst = 0;
    for await (const [name, { sums, counts }] of importanceSums(reader)) {
      names.push(name);
      const expected = matrix.entries.get(name);
      expect(counts).toEqual(expected?.counts);
      for (const [i, sum] of sums.entries()) {
        worst = Math.max(worst, Math.abs(sum / (expected?.sums[i] ?? Number.NaN) - 1));
      }
    }
    expect(names).toEqual([...matrix.entries.keys()].sort());
    expect(worst).toBeLessThan(0.005);
  });

  async function run(file: string): Promise<ReturnType<typeof decoderLogits>> {
    const model = await openModel({ store: directoryStore(`${kjv}/gguf`), file });
    models.push(model);
    const decoder = openDecoder(ggufSource(model), { compute });
    const windows = windowsOf("heldout.txt", undefined);
    const states: HiddenStates = memoryStates(windows.length, WINDOW, decoder.hidden);
    await decoder.embed(joined(windows), states);
    for (let layer = 0; layer < decoder.layers; layer++) await decoder.runLayer(layer, states);
    const head = await decoder.openHead();
    return decoderLogits(head, states, decoder.vocabulary);
  }

  it("has the perplexity and the divergence that torch measured", async () => {
    const row = z.object({
      name: z.string(),
      ppl: z.number(),
      ppl_error: z.number(),
      kl: z.number(),
      same_top: z.number(),
      dlnppl: z.number(),
      dlnppl_error: z.number(),
    });
    const rows = z
      .array(z.looseObject({ name: z.string() }))
      .parse(JSON.parse(readFileSync(`${kjv}/results.json`, "utf8")));
    const base = await run("kjv-BF16.gguf");
    const windows = windowsOf("heldout.txt", undefined);
    for (const type of ["Q4_0", "Q2_K"]) {
      const expected = row.parse(rows.find(({ name }) => name === `gguf ${type}`));
      const found: Evaluation = await evaluateModel(await run(`kjv-${type}.gguf`), { windows, base });
      expect(found.tokens).toBe(9398);
      const close = (value: number | undefined, wanted: number, share: number): void =>
        expect(Math.abs((value ?? Number.NaN) / wanted - 1)).toBeLessThan(share);
      close(found.perplexity, expected.ppl, 0.0005);
      close(found.perplexityError, expected.ppl_error, 0.001);
      close(found.kl, expected.kl, 0.01);
      close(found.logRatio, expected.dlnppl, 0.01);
      close(found.logRatioError, expected.dlnppl_error, 0.01);
      close(found.sameTop, expected.same_top, 0.001);
    }
  });
});

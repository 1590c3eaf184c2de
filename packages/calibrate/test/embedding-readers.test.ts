/**
 * What stands in for inputs of the table of embeddings. Oracle: `readerStatistics` of core, whose sums are in f64 and in
 * another order, of the weights as they lie in the bundled model.
 */
import { resolve } from "node:path";
import { EMBEDDING_NAME, openDecoder, StatisticsCollector, wasmCompute } from "@requant/calibrate";
import { directoryStore } from "@requant/core/node";
import { readerStatistics } from "@requant/core/solve";
import { expect, it } from "vitest";
import { decoderSource, openModel } from "../../convert/src/index.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");

it("reports the rows of the first layer's weights times the norm before them", async () => {
  const model = await openModel({ store: directoryStore(hf) });
  const source = await decoderSource(model);
  const compute = wasmCompute();
  const collector = new StatisticsCollector({ compute });
  const decoder = openDecoder(source, { compute, observer: collector });
  await decoder.observeEmbedding();
  const [entry] = await collector.take();
  const found = await entry?.read();
  const read = async (name: string): Promise<Float32Array> => {
    const [rows = 0, columns = 1] = source.shapes.get(`${name}.weight`) ?? [];
    const values = new Float32Array(rows * columns);
    await source.readRows(`${name}.weight`, 0, columns === 1 ? 1 : rows, values);
    return values;
  };
  const readers = await Promise.all(
    [
      ["attn_q", "attn_norm"],
      ["attn_k", "attn_norm"],
      ["attn_v", "attn_norm"],
      ["ffn_gate", "ffn_norm"],
      ["ffn_up", "ffn_norm"],
    ].map(async ([weight, norm]) => ({
      weight: await read(`blk.0.${weight}`),
      norm: await read(`blk.0.${norm}`),
    })),
  );
  await compute.close();
  await model.close();
  const expected = readerStatistics(decoder.hidden, readers);
  expect(decoder.embeddingInput).toEqual({ name: EMBEDDING_NAME, sharedBy: [], columns: decoder.hidden });
  expect(found?.tokens).toBe(expected.tokens);
  const largest = expected.moments.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  expected.moments.forEach((value, i) => {
    if (!(Math.abs((found?.moments[i] ?? Number.NaN) - value) < 1e-5 * largest)) expect.fail(`number ${i}`);
  });
  expected.meanAbs.forEach((value, i) => {
    expect(found?.meanAbs[i]).toBeCloseTo(value, 5);
  });
});

it("a table that is also the head has none: it has the inputs of the head", async () => {
  const model = await openModel({ store: directoryStore(hf) });
  const { shapes, ...source } = await decoderSource(model);
  const tied = new Map([...shapes].filter(([name]) => name !== "output.weight"));
  const decoder = openDecoder({ ...source, shapes: tied });
  expect(decoder.embeddingInput).toBeUndefined();
  expect(decoder.inputs.at(-1)).toMatchObject({ name: "output.weight", sharedBy: [EMBEDDING_NAME] });
  await model.close();
});

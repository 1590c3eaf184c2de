/**
 * The bundled model on WebGPU. Oracles: the logits of transformers in f32 (`vectors/README.md`), and the second moments of the
 * TypeScript backend, whose sums are f64.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  type Compute,
  openDecoder,
  referenceCompute,
  StatisticsCollector,
  type StatisticsEntry,
} from "@requant/calibrate";
import { webgpuCompute } from "@requant/calibrate/webgpu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { hfSource, logitsOf, runAll, withHfModel } from "./model-source.ts";
import { freshAdapter, missingAdapter } from "./webgpu-adapter.ts";

const directory = fileURLToPath(new URL("../../../fixtures/kjv/hf", import.meta.url));
const row = z.object({
  window: z.number(),
  position: z.number(),
  ids: z.array(z.number()),
  logits: z.array(z.number()),
});
const vector = z
  .object({ tokens: z.array(z.number()), rows: z.array(row) })
  .parse(JSON.parse(readFileSync(new URL("vectors/kjv.json", import.meta.url), "utf8")));
const windows = [vector.tokens.slice(0, 64), vector.tokens.slice(64)];

describe.skipIf(missingAdapter !== undefined)(
  `kjv on WebGPU (skipped where none is: ${missingAdapter})`,
  () => {
    let compute: Compute = referenceCompute;
    beforeAll(async () => {
      // nothing is too small for the device
      compute = await webgpuCompute({ adapter: await freshAdapter(), leastWork: 0 });
    });
    afterAll(() => compute.close());

    it("has the logits of transformers to 1e-4", async () => {
      const all = await withHfModel(directory, async (model) =>
        logitsOf(await hfSource(model), windows, { compute }),
      );
      expect(vector.rows.length).toBeGreaterThan(0);
      for (const { window, position, ids, logits } of vector.rows) {
        for (const [i, id] of ids.entries()) {
          const expected = logits[i] ?? Number.NaN;
          const found = all[window]?.[position * 1024 + id] ?? Number.NaN;
          expect(Math.abs(found - expected)).toBeLessThan(1e-4 * Math.max(1, Math.abs(expected)));
        }
      }
    });

    it("has the statistics of the TypeScript backend to 1e-4 of the mean squares", async () => {
      const collect = async (backend: Compute): Promise<readonly StatisticsEntry[]> =>
        withHfModel(directory, async (model) => {
          const observer = new StatisticsCollector({ compute: backend });
          await runAll(openDecoder(await hfSource(model), { compute: backend, observer }), windows);
          return observer.take();
        });
      const expected = await collect(referenceCompute);
      const found = await collect(compute);
      expect(found.map(({ name, tokens }) => [name, tokens])).toEqual(
        expected.map(({ name, tokens }) => [name, tokens]),
      );
      for (const [index, entry] of expected.entries()) {
        const { moments, columns } = await entry.read();
        const own = (await found[index]?.read())?.moments ?? new Float32Array();
        let squares = 0;
        for (let at = 0; at < moments.length; at += columns + 1) squares += moments[at]! / columns;
        let worst = 0;
        for (let at = 0; at < moments.length; at++) {
          worst = Math.max(worst, Math.abs(own[at]! - moments[at]!));
        }
        expect(worst).toBeLessThan(1e-4 * squares);
      }
    });
  },
);

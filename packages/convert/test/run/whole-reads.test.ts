/** How often the rows of a weight are read where its format needs all values before it chooses a code. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ReadStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openModel, parseTarget, planConversion, runPlan } from "../../src/index.ts";
import { floatDirectory } from "./packed-models.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-whole-reads-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Bytes that the run of a conversion to EXL2 reads of the weights, for each byte of them. */
async function readsPerByte(store: ReadStore, name: string): Promise<number> {
  const model = await openModel({ store });
  try {
    const plan = await planConversion(model, parseTarget("exl2:4bpw-h6"));
    let bytesRead = 0;
    const counted = { ...model, weight: model.weight };
    const packed = new Set(plan.tensors.flatMap(({ linear, name }) => (linear === undefined ? [] : [name])));
    counted.weight = (tensor) => {
      const weight = model.weight(tensor);
      return {
        ...weight,
        async readRows(start, end, out) {
          if (packed.has(tensor)) bytesRead += out.byteLength;
          await weight.readRows(start, end, out);
        },
      };
    };
    await runPlan(plan, counted, directoryStore(join(folder, name)));
    const all = model.tensors.filter(({ name }) => packed.has(name));
    const floats = all.reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
    expect(floats).toBeGreaterThan(0);
    return bytesRead / floats;
  } finally {
    await model.close();
  }
}

it("reads rows of a store that may be far away twice: to pack them, and to compare", async () => {
  const store = await floatDirectory("BF16", 1, { keyValueHeads: 2, feedForward: 128 });
  expect(store.address).toBeUndefined();
  expect(await readsPerByte(store, "far")).toBe(2);
});

it("reads rows on a disk once more for each pass of the format", async () => {
  const far = await floatDirectory("BF16", 1, { keyValueHeads: 2, feedForward: 128 });
  const source = join(folder, "source");
  await mkdir(source);
  for (const name of (await far.list()) ?? []) {
    const file = await far.open(name);
    await writeFile(join(source, name), (await file?.read(0, file.byteLength)) ?? "");
  }
  const reads = await readsPerByte(directoryStore(source), "near");
  // weights with one width need no order of columns
  expect(reads).toBeGreaterThanOrEqual(3);
  expect(reads).toBeLessThanOrEqual(4);
});

/** How often the rows of a weight are read where its format needs all values before it chooses a code. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ReadStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, expect, it } from "vitest";
import { openModel, parseTarget, planConversion, runPlan } from "../../src/index.ts";
import { floatDirectory } from "./packed-models.ts";

const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

/** Bytes that the run of a conversion to EXL2 reads of the weights, for each byte of them. */
async function readsPerByte(store: ReadStore): Promise<number> {
  const model = await openModel({ store });
  const folder = await mkdtemp(join(tmpdir(), "requant-whole-reads-"));
  folders.push(folder);
  try {
    const plan = await planConversion(model, parseTarget("exl2:4bpw-h6"));
    let bytesRead = 0;
    const counted = { ...model, weight: model.weight };
    const packed = new Set(plan.tensors.flatMap(({ linear, name }) => (linear === undefined ? [] : [name])));
    counted.weight = (name) => {
      const weight = model.weight(name);
      return {
        ...weight,
        async readRows(start, end, out) {
          if (packed.has(name)) bytesRead += out.byteLength;
          await weight.readRows(start, end, out);
        },
      };
    };
    await runPlan(plan, counted, directoryStore(join(folder, "out")));
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
  expect(await readsPerByte(store)).toBe(2);
});

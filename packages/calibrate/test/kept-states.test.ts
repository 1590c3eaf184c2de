/** Hidden states in a file. Oracle: the logits of the same pass with its states in memory. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Decoder,
  type HiddenStates,
  type KeptStates,
  keepStates,
  keptStatesByteLength,
  memoryStates,
  openDecoder,
} from "@requant/calibrate";
import { IoError, type StagedFile } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, describe, expect, it } from "vitest";
import { hfSource, withHfModel } from "./model-source.ts";

const folder = mkdtempSync(join(tmpdir(), "requant-states-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const directory = fileURLToPath(new URL("../../../fixtures/kjv/hf", import.meta.url));

const shape = { windows: 3, tokens: 16, columns: 256 };
const ids = Int32Array.from({ length: shape.windows * shape.tokens }, (_, i) => (i * 37) % 1000);

async function stage(name: string, resume: boolean): Promise<StagedFile> {
  const staged = await directoryStore(folder).stage?.(name, {
    byteLength: keptStatesByteLength(shape),
    resume,
  });
  if (staged === undefined) throw new Error("the store has no staged files");
  return staged;
}

async function last(states: HiddenStates): Promise<Float32Array[]> {
  const all: Float32Array[] = [];
  for (let window = 0; window < states.windows; window++) {
    const values = new Float32Array(states.tokens * states.columns);
    await states.read(window, values);
    all.push(values);
  }
  return all;
}

/** Goes on where the states end. */
async function finish(decoder: Decoder, states: KeptStates): Promise<void> {
  if (states.done === 0) {
    await decoder.embed(ids, states);
    await states.finishStep();
  }
  while (states.done <= decoder.layers) {
    await decoder.runLayer(states.done - 1, states);
    await states.finishStep();
  }
}

describe("hidden states in a file", () => {
  it("are those in memory, also after a stop in the middle of a layer", async () => {
    await withHfModel(directory, async (model) => {
      const decoder = openDecoder(await hfSource(model), { batchTokens: shape.tokens });
      const inMemory = memoryStates(shape.windows, shape.tokens, shape.columns);
      await decoder.embed(ids, inMemory);
      for (let layer = 0; layer < decoder.layers; layer++) await decoder.runLayer(layer, inMemory);
      const first = await stage("states", false);
      const states = await keepStates(first, { ...shape, settings: "kjv" });
      let writes = 0;
      const failing: KeptStates = {
        ...states,
        get done() {
          return states.done;
        },
        async write(window, values) {
          writes += 1;
          if (writes === 8) throw new IoError("The disk is full.");
          await states.write(window, values);
        },
      };
      await expect(finish(decoder, failing)).rejects.toThrow("The disk is full.");
      // embeddings and the first layer are finished: six writes
      expect(states.done).toBe(2);
      await first.keep();
      const second = await stage("states", true);
      const resumed = await keepStates(second, { ...shape, settings: "kjv" });
      expect(resumed.done).toBe(2);
      await finish(decoder, resumed);
      expect(await last(resumed)).toEqual(await last(inMemory));
      await second.discard();
    });
  });

  it("of another text, or changed since, are thrown away", async () => {
    const file = await stage("other", false);
    const states = await keepStates(file, { ...shape, settings: "one text" });
    const ones = new Float32Array(shape.tokens * shape.columns).fill(1);
    await expect(states.finishStep()).rejects.toThrow("Window 0 was not written in this step.");
    for (let window = 0; window < shape.windows; window++) await states.write(window, ones);
    await states.finishStep();
    await file.keep();
    const again = await stage("other", true);
    expect((await keepStates(again, { ...shape, settings: "one text" })).done).toBe(1);
    await again.write(Uint8Array.of(1, 2, 3), keptStatesByteLength(shape) / 2 + 100);
    await again.keep();
    const changed = await stage("other", true);
    expect((await keepStates(changed, { ...shape, settings: "one text" })).done).toBe(0);
    await changed.discard();
  });

  it("need a file of the right length", async () => {
    const file = await stage("short", false);
    await expect(keepStates(file, { ...shape, windows: 2, settings: "" })).rejects.toThrow(
      "bytes, and 65536 are needed",
    );
    await file.discard();
  });
});

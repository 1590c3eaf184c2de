/**
 * Projectors of tiny models that see or hear, in both directions. Oracle: the files that llama.cpp's converter writes with `--mmproj`
 * (packages/models/test/vectors/projectors), and for the opposite direction the checkpoint itself.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { elementCount, floatToBfloat, type MemoryStore, memoryStore } from "@requant/core";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { openModel, parseTarget, planConversion, runPlan } from "../../src/index.ts";
import { hfDirectory, type Weights } from "../hf-directory.ts";

const folder = new URL("../../../models/test/vectors/projectors/", import.meta.url);
const fileSchema = z.object({
  sha256: z.string(),
  /** Where numbers stand that the converter computes with the processor's own sines. */
  offset: z.number().optional(),
  length: z.number().optional(),
  rows: z.record(z.string(), z.array(z.number())).optional(),
});
const schema = z.object({
  directoryName: z.string(),
  files: z.record(z.string(), z.string()),
  tensors: z.array(z.tuple([z.string(), z.array(z.number())])),
  gguf: z.record(z.string(), fileSchema),
});

type Vector = z.infer<typeof schema>;

const vectors = readdirSync(folder).map((file) => ({
  name: file.replace(".json.gz", ""),
  vector: schema.parse(JSON.parse(gunzipSync(readFileSync(new URL(file, folder))).toString())),
}));
const files = vectors.flatMap(({ name, vector }) =>
  Object.keys(vector.gguf).map((type) => ({ name, vector, type })),
);

/** The values that the vectors were made with: a row of 251 numbers, repeated, from another place in each tensor. */
function weightsOf({ tensors }: Vector): Weights {
  return new Map(
    tensors.map(([name, shape], number) => {
      const bits = Uint16Array.from({ length: elementCount(shape) }, (_, place) =>
        floatToBfloat((((place * 197 + number * 31) % 251) - 125) / 256),
      );
      return [name, { shape, encoding: "BF16", bytes: new Uint8Array(bits.buffer) }];
    }),
  );
}

async function converted(store: MemoryStore, target: string, file?: string): Promise<MemoryStore> {
  const model = await openModel({ store, file });
  const output = memoryStore({ name: "out" });
  const plan = await planConversion(model, parseTarget(target), {
    outputName: "o",
    ...(file === undefined ? { part: "mmproj" as const } : {}),
  });
  await runPlan(plan, model, output);
  await model.close();
  return output;
}

const directoryOf = (vector: Vector): Promise<MemoryStore> =>
  hfDirectory(weightsOf(vector), vector.files, `models/${vector.directoryName}`);

describe("projectors", () => {
  test.each(files)("$name as $type is the file of llama.cpp's converter", async ({ vector, type }) => {
    const output = await converted(await directoryOf(vector), `gguf:${type}`);
    const made = output.files.get("o.gguf") ?? new Uint8Array(0);
    const { sha256, offset = 0, length = 0, rows = {} } = vector.gguf[type] ?? { sha256: "" };
    const computed = new Float32Array(made.slice(offset, offset + length).buffer);
    for (const [row, expected] of Object.entries(rows)) {
      const start = Number(row) * expected.length;
      for (const [column, value] of expected.entries()) {
        expect(Math.abs((computed[start + column] ?? 2) - value)).toBeLessThan(1e-4);
      }
    }
    made.fill(0, offset, offset + length);
    expect(createHash("sha256").update(made).digest("hex")).toBe(sha256);
  });

  test.each(vectors)("$name comes back with the checkpoint's own tensors", async ({ vector }) => {
    const gguf = await converted(await directoryOf(vector), "gguf:f32");
    const back = await openModel({ store: await converted(gguf, "safetensors:bf16", "o.gguf") });
    const own = weightsOf(vector);
    const missing = new Set(own.keys());
    for (const { name, shape, encoding, byteLength } of back.storedTensors) {
      const bytes = (await back.readBytes(name, 0, byteLength)).slice();
      expect([name, { shape, encoding, bytes }]).toEqual([name, own.get(name)]);
      missing.delete(name);
    }
    expect([...missing].filter((name) => !/(?:^|\.)norm\.weight$|audio_bos_eos_token/.test(name))).toEqual(
      [],
    );
  });
});

/** Hugging Face directories in memory, made of other ones' tensors under other names and configs. */
import { type MemoryStore, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { writeSafetensors } from "@requant/safetensors";
import { openModel } from "../src/index.ts";

export interface StoredTensor {
  readonly shape: readonly number[];
  readonly encoding: string;
  readonly bytes: Uint8Array;
}
export type Weights = Map<string, StoredTensor>;

export async function readWeights(path: string): Promise<Weights> {
  const model = await openModel({ store: directoryStore(path) });
  const weights: Weights = new Map();
  for (const { name, shape, encoding, byteLength } of model.storedTensors) {
    weights.set(name, { shape, encoding, bytes: (await model.readBytes(name, 0, byteLength)).slice() });
  }
  await model.close();
  return weights;
}

export async function hfDirectory(
  weights: Weights,
  sideFiles: Readonly<Record<string, string | Uint8Array>>,
  name = "models/other",
): Promise<MemoryStore> {
  const store = memoryStore({ name });
  const sink = await store.create("model.safetensors");
  await writeSafetensors(
    sink,
    [...weights].map(([tensor, { bytes, ...rest }]) => ({ name: tensor, ...rest, data: [bytes] })),
  );
  await sink.close();
  for (const [file, content] of Object.entries(sideFiles)) {
    store.files.set(file, typeof content === "string" ? new TextEncoder().encode(content) : content);
  }
  return store;
}

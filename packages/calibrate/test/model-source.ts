/** Models of files as sources of a forward pass, for tests. */
import { directoryStore } from "@requant/core/node";
import { hfToGguf, openWeight } from "@requant/models";
import { type Model, openModel } from "../../convert/src/index.ts";
import {
  type Decoder,
  type DecoderOptions,
  type DecoderSource,
  memoryStates,
  openDecoder,
} from "../src/index.ts";

export function ggufSource(model: Model): DecoderSource {
  const metadata = model.gguf?.metadata ?? new Map();
  return {
    metadata,
    shapes: new Map(model.tensors.map(({ name, shape }) => [name, shape])),
    readRows: (name, start, end, out) => model.weight(name).readRows(start, end, out),
  };
}

export async function hfSource(model: Model): Promise<DecoderSource> {
  if (model.hf === undefined) throw new Error("not a directory of Hugging Face");
  const plan = hfToGguf(await model.hf.sideFiles(), { fileType: "F32", tokenizer: false });
  const weights = new Map(plan.tensors.map((tensor) => [tensor.name, tensor]));
  const source = {
    shapeOf: (tensor: string) => model.tensor(tensor).shape,
    readRows: (tensor: string, start: number, end: number, out: Float32Array) =>
      model.weight(tensor).readRows(start, end, out),
  };
  return {
    metadata: plan.metadata,
    shapes: new Map(plan.tensors.map(({ name, shape }) => [name, shape])),
    async readRows(name, start, end, out) {
      const weight = weights.get(name);
      if (weight === undefined) throw new Error(`no tensor ${name}`);
      await openWeight(weight, source).readRows(start, end, out);
    },
  };
}

export async function withHfModel<T>(path: string, use: (model: Model) => Promise<T>): Promise<T> {
  const model = await openModel({ store: directoryStore(path) });
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

/** Runs all layers over windows of one length; logits[tokens, vocabulary] of each window. */
export async function logitsOf(
  source: DecoderSource,
  windows: readonly (readonly number[])[],
  options?: DecoderOptions,
): Promise<Float32Array[]> {
  return runAll(openDecoder(source, options), windows);
}

export async function runAll(
  decoder: Decoder,
  windows: readonly (readonly number[])[],
): Promise<Float32Array[]> {
  const tokens = windows[0]?.length ?? 0;
  const states = memoryStates(windows.length, tokens, decoder.hidden);
  await decoder.embed(Int32Array.from(windows.flat()), states);
  for (let layer = 0; layer < decoder.layers; layer++) await decoder.runLayer(layer, states);
  const head = await decoder.openHead();
  const all: Float32Array[] = [];
  for (let window = 0; window < windows.length; window++) {
    const last = new Float32Array(tokens * decoder.hidden);
    await states.read(window, last);
    await head.observe(last);
    all.push(await head.logits(last));
  }
  return all;
}

/**
 * Writes a made-up llama in F16, streaming: weights are normal with a standard deviation of 0.02, similar to real ones.
 *   node bench/make-model.ts <out.gguf> [--layers 20] [--width 1536] [--vocabulary 32000] [--no-data]
 */

import type { TensorShape } from "@requant/core";
import { F16 } from "@requant/core";
import { fileSink } from "@requant/core/node";
import { type GgufTensorData, writeGguf } from "@requant/gguf";
import { type LlamaShape, llamaShape } from "./llama-shape.ts";
import { normalNumbers } from "./random.ts";
import { vocabulary } from "./vocabulary.ts";

const PIECE_LENGTH = 1 << 20;

function* weights({ shape, encoding }: TensorShape, noise: Uint8Array, at: number): Generator<Uint8Array> {
  const count = shape.reduce((product, size) => product * size, 1);
  if (encoding === "F32") {
    yield new Uint8Array(new Float32Array(count).fill(1).buffer);
    return;
  }
  let left = 2 * count;
  let start = (at % (noise.byteLength / 2)) & ~1;
  while (left > 0) {
    const bytes = noise.subarray(start, Math.min(noise.byteLength, start + left));
    yield bytes;
    left -= bytes.byteLength;
    start = 0;
  }
}

/** Each tensor takes the numbers from another place on, so that about a million numbers are enough. */
function normalNoise(length: number): Uint8Array {
  const bytes = new Uint8Array(2 * length);
  F16.quantize?.(normalNumbers(9, length), length, bytes);
  return bytes;
}

/** Writes the whole file and returns its length. */
export async function makeModel(
  path: string,
  shape: LlamaShape,
  words: { readonly tokens: number; readonly merges: number },
): Promise<number> {
  const { metadata, tensors } = llamaShape(shape);
  // an odd number, so that no two rows of a matrix are the same
  const noise = normalNoise(PIECE_LENGTH + 12_345);
  const sink = await fileSink(path, { overwrite: true });
  try {
    const layout = await writeGguf(sink, {
      metadata: new Map([...metadata, ...vocabulary(words.tokens, words.merges)]),
      tensors: tensors.map(
        (tensor, i): GgufTensorData => ({ ...tensor, data: () => weights(tensor, noise, i * 31_337) }),
      ),
    });
    await sink.close();
    return layout.byteLength;
  } catch (error) {
    await sink.abort();
    throw error;
  }
}

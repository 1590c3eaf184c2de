/** Tensors of made-up numbers that repeat, so that a large model costs little to make. */
import { join } from "node:path";
import { fileSink } from "@requant/core/node";
import { writeSafetensors } from "@requant/safetensors";

export interface PatternTensor {
  readonly name: string;
  readonly encoding: string;
  readonly shape: readonly number[];
  /** Bytes that are repeated, from another place on for each tensor. */
  readonly pattern: Uint8Array;
}

const WIDTHS: Readonly<Record<string, number>> = { I32: 4, F16: 2, BF16: 2 };

export function patternByteLength({ encoding, shape }: PatternTensor): number {
  return shape.reduce((product, size) => product * size, WIDTHS[encoding] ?? 1);
}

function* repeated(tensor: PatternTensor, at: number): Generator<Uint8Array> {
  const { pattern } = tensor;
  let left = patternByteLength(tensor);
  let start = (at % pattern.length) & ~3;
  while (left > 0) {
    const bytes = pattern.subarray(start, Math.min(pattern.length, start + left));
    yield bytes;
    left -= bytes.length;
    start = 0;
  }
}

/** Writes `model.safetensors` and returns the bytes of its tensors. */
export async function writePatterns(folder: string, tensors: readonly PatternTensor[]): Promise<number> {
  const sink = await fileSink(join(folder, "model.safetensors"), { overwrite: true });
  await writeSafetensors(
    sink,
    tensors.map((tensor, i) => {
      const { name, encoding, shape } = tensor;
      return { name, encoding, shape, data: repeated(tensor, i * 31_340) };
    }),
    { metadata: { format: "pt" } },
  );
  await sink.close();
  return tensors.reduce((sum, tensor) => sum + patternByteLength(tensor), 0);
}

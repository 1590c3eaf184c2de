/** A stored weight to measure with, where a conversion would read it, and in arrays of its own. */

import {
  type LinearCodec,
  type LinearLayout,
  type OpenedWeight,
  type PartBytes,
  partByteLength,
} from "@requant/core/format";
import { installKernels, uninstallKernels } from "@requant/core/kernels";
import { sampleBuffer } from "./sample-buffer.ts";

export interface WeightSample<Weight extends OpenedWeight> {
  readonly bytes: PartBytes;
  /** In the memory of the kernels, where a conversion would read them. */
  readonly weight: Weight;
  /** In arrays of its own. */
  readonly plainWeight: Weight;
  release(): void;
}

/** Opens the same bytes twice. */
export function openSample<Layout extends LinearLayout, Claims, Weight extends OpenedWeight>(
  codec: LinearCodec<Layout, Claims, Weight>,
  layout: Layout,
  bytes: PartBytes,
): WeightSample<Weight> {
  const parts = codec.parts(layout);
  const buffers = parts.map((part) => sampleBuffer(4 * Math.ceil(partByteLength(part) / 4)));
  const inside: Record<string, Uint8Array> = {};
  for (const [i, part] of parts.entries()) {
    const { suffix } = part;
    const own = buffers[i]?.bytes(0, partByteLength(part)) ?? new Uint8Array(0);
    own.set(bytes[suffix] ?? []);
    inside[suffix] = own;
  }
  return {
    bytes,
    weight: codec.open(layout, inside),
    plainWeight: codec.open(layout, bytes),
    release() {
      for (const buffer of buffers) buffer.release();
    },
  };
}

/** The same work with the kernels switched off. */
export function withoutKernels<Result>(run: () => Result): () => Result {
  return () => {
    uninstallKernels();
    const result = run();
    installKernels();
    return result;
  };
}

/** True where both hold the same numbers bit for bit. */
export function sameBits(a: Float32Array, b: Float32Array): boolean {
  return Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
}

function bytesOf(floats: Float32Array): Uint8Array {
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
}

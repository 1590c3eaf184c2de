/** One target per ggml type. */
import assert from "node:assert/strict";
import { ggmlTypes } from "../../packages/gguf/src/index.ts";
import type { FuzzTarget } from "../engine/target.ts";

const MOST_BLOCKS = 4;

/**
 * Any bytes are blocks: they decode to the same values one by one and all together, and these values can be encoded
 * again.
 */
export const blockCodecs: readonly FuzzTarget[] = ggmlTypes.flatMap(({ name, codec, importance }) => {
  if (codec === undefined) return [];
  const { blockSize, blockByteLength } = codec;
  const weights = importance === "required" ? new Float32Array(blockSize).fill(1) : undefined;
  return [
    {
      name: `codec-${name.toLowerCase()}`,
      maxByteLength: MOST_BLOCKS * blockByteLength,
      seeds: () => [
        new Uint8Array(blockByteLength),
        Uint8Array.from({ length: 2 * blockByteLength }, (_, i) => (i * 37 + 11) % 251),
      ],
      run(input) {
        const count = Math.floor(input.length / blockByteLength);
        const bytes = input.slice(0, count * blockByteLength);
        const values = new Float32Array(count * blockSize);
        codec.dequantize(bytes, values);
        for (let block = 0; block < count; block++) {
          const one = new Float32Array(blockSize);
          codec.dequantize(bytes.subarray(block * blockByteLength, (block + 1) * blockByteLength), one);
          assert(same(one, values.subarray(block * blockSize, (block + 1) * blockSize)));
        }
        if (codec.quantize === undefined || count === 0) return;
        const again = new Uint8Array(bytes.length);
        codec.quantize(values, blockSize, again, weights);
        const back = new Float32Array(values.length);
        codec.dequantize(again, back);
        const twice = new Uint8Array(bytes.length);
        codec.quantize(values, blockSize, twice, weights);
        assert(Buffer.compare(again, twice) === 0, "quantizing twice gives two results");
      },
    } satisfies FuzzTarget,
  ];
});

/** Bit for bit, any NaN being like any other. */
function same(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
}

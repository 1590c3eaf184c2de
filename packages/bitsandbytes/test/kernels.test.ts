/** The kernel of bitsandbytes against the TypeScript, bit for bit. */
import { installKernels, kernelsAreInstalled } from "@requant/core/kernels";
import { afterAll, describe, expect, it } from "vitest";
import { guarded, randomNumbers, seed } from "../../../fixtures/guarded-memory.ts";
import { dequantizeNibbleBlocks } from "../src/kernels/nibble-blocks-twin.ts";
import * as reference from "../src/nibble-blocks.ts";
import { NF4_VALUES } from "../src/tables.ts";

afterAll(installKernels);

/** Block sizes with and without a kernel; weights before, in and behind whole blocks; more than one piece of scratch. */
const cases: readonly (readonly [blockSize: number, start: number, end: number])[] = [
  [64, 0, 64],
  [64, 0, 64 * 700],
  [64, 70, 64 * 9 + 5],
  [64, 3, 60],
  [32, 31, 32 * 40 + 1],
  [128, 128, 128 * 9],
  [4096, 17, 4096 * 9 + 2],
  [16, 5, 16 * 33],
  [48, 1, 48 * 20 + 7],
  [32768, 0, 3 * 32768],
];

describe.skipIf(!kernelsAreInstalled())(`bitsandbytes kernels (REQUANT_SEED=${seed})`, () => {
  const dtypes = ["F32", "BF16", "F16"] as const;
  it.each(cases.flatMap((one) => dtypes.map((dtype) => [...one, dtype] as const)))(
    "blocks of %i, weights %i to %i, %s",
    (blockSize, start, end, dtype) => {
      const random = randomNumbers(seed + blockSize);
      const count = Math.ceil(end / blockSize);
      const codes = Uint8Array.from({ length: (count * blockSize) / 2 }, () => random() * 256);
      // scales of every size: of f16 subnormals, beyond f16, zero, f32 subnormals, negative
      const scales = Float32Array.from({ length: count }, (_, i) =>
        i % 7 === 0 ? 0 : (random() - 0.5) * 2 ** (i % 3 === 0 ? 40 : -((i * 11) % 150)),
      );
      const blocks = { codes, levels: NF4_VALUES, scales, blockSize, dtype };
      const expected = new Float32Array(end - start);
      reference.dequantizeNibbleBlocks(blocks, start, end, expected);
      for (const inside of [false, true]) {
        const memory = guarded(inside, 4 * (end - start));
        const out = new Float32Array(memory.bytes.buffer, memory.bytes.byteOffset, end - start);
        dequantizeNibbleBlocks(blocks, start, end, out);
        expect(new Uint32Array(out.slice().buffer)).toEqual(new Uint32Array(expected.buffer));
        memory.release();
      }
    },
  );
});

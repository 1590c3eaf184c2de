/** The kernels of F16 and BF16 against the TypeScript codecs, bit for bit, and the memory and switch of the kernels. */
import { afterEach, describe, expect, it } from "vitest";
import type { BlockCodec } from "../src/format/block-codec.ts";
import { blockTwin } from "../src/kernels/block-twin.ts";
import { allocateKernelBuffer } from "../src/kernels/buffer.ts";
import * as twins from "../src/kernels/float-twin.ts";
import { kernelAddress, kernelMemory } from "../src/kernels/memory.ts";
import { kernelModule } from "../src/kernels/module.ts";
import { installKernels, kernelsAreInstalled, uninstallKernels } from "../src/kernels/switch.ts";
import { BF16 } from "../src/numeric/bf16.ts";
import { F16 } from "../src/numeric/f16.ts";

afterEach(installKernels);

function withoutKernels<T>(run: () => T): T {
  uninstallKernels();
  try {
    return run();
  } finally {
    installKernels();
  }
}

const bitsOf = (values: Float32Array): Uint32Array =>
  new Uint32Array(values.buffer, values.byteOffset, values.length);

/** Every 65521st f32, so that all exponents, signs and NaNs occur, and the neighbours of each border of f16. */
function manyFloats(): Float32Array {
  const bits: number[] = [];
  for (let pattern = 0; pattern < 2 ** 32; pattern += 65521) bits.push(pattern);
  for (let half = 0; half < 0x7c02; half += 7) {
    const values = new Float32Array(1);
    F16.dequantize(Uint8Array.of(half & 255, half >> 8), values);
    const here = bitsOf(values)[0] ?? 0;
    for (const around of [-4097, -4096, -4095, -1, 0, 1, 4095, 4096, 4097]) {
      bits.push((here + around) >>> 0, ((here + around) | 0x80000000) >>> 0);
    }
  }
  return new Float32Array(Uint32Array.from(bits).buffer);
}

describe.skipIf(!kernelsAreInstalled()).each([
  ["F16", F16, twins.F16],
  ["BF16", BF16, twins.BF16],
] as readonly (readonly [string, BlockCodec, BlockCodec])[])("kernels of %s", (_, codec, twin) => {
  // 40503 is odd: codes of all kinds follow each other
  it.each([1, 40503])("widen every code to the same bits, each %i after the one before", (step) => {
    const codes = Uint16Array.from({ length: 65536 }, (_, index) => Math.imul(index, step));
    const bytes = new Uint8Array(codes.buffer);
    const expected = new Float32Array(65536);
    codec.dequantize(bytes, expected);
    const actual = new Float32Array(65536);
    twin.dequantize(bytes, actual);
    const wanted = bitsOf(expected);
    expect(bitsOf(actual).findIndex((bits, i) => bits !== wanted[i])).toBe(-1);
  });

  it("narrow f32 of all kinds to the same codes", () => {
    const values = manyFloats();
    const expected = new Uint8Array(2 * values.length);
    codec.quantize?.(values, values.length, expected);
    const actual = new Uint8Array(2 * values.length);
    twin.quantize?.(values, values.length, actual);
    expect(actual.findIndex((byte, i) => byte !== expected[i])).toBe(-1);
  });

  it.each([0, 1, 7, 15, 16, 17, 40, 255])("change only %i weights, in memory of either kind", (count) => {
    const values = Float32Array.from({ length: count }, (_, i) => (i - 3) / 7);
    const expected = new Uint8Array(2 * count);
    codec.quantize?.(values, Math.max(1, count), expected);
    const buffer = allocateKernelBuffer(4096);
    for (const room of [new Uint8Array(4096), buffer.bytes()]) {
      room.fill(0xc5);
      const bytes = room.subarray(1001, 1001 + 2 * count);
      const floats = new Float32Array(room.buffer, room.byteOffset + 2048, count);
      floats.set(values);
      twin.quantize?.(floats, Math.max(1, count), bytes);
      expect(bytes).toEqual(expected);
      twin.dequantize(bytes, floats);
      const touched = room.filter(
        (byte, i) =>
          byte !== 0xc5 && !(i >= 1001 && i < 1001 + 2 * count) && !(i >= 2048 && i < 2048 + 4 * count),
      );
      expect(touched.length).toBe(0);
    }
    buffer.release();
  });
});

describe("a codec whose kernels cannot run", () => {
  it("works in TypeScript: a module that the engine refuses", () => {
    const twin = blockTwin(F16, kernelModule("bm90IHdhc20="));
    const out = new Float32Array(2);
    twin.dequantize(Uint8Array.of(0, 0x3c, 0, 0xc0), out);
    expect([...out]).toEqual([1, -2]);
  });

  it("works in TypeScript: switched off", () => {
    const twin = twins.F16;
    withoutKernels(() => {
      expect(kernelsAreInstalled()).toBe(false);
      const out = new Uint8Array(2);
      twin.quantize?.(Float32Array.of(1), 1, out);
      expect([...out]).toEqual([0, 0x3c]);
    });
  });

  it("checks lengths nevertheless", () => {
    const twin = twins.F16;
    for (const on of [true, false]) {
      if (!on) uninstallKernels();
      expect(() => twin.dequantize(new Uint8Array(3), new Float32Array(2))).toThrow(/F16/);
      expect(() => twin.quantize?.(new Float32Array(4), 3, new Uint8Array(8))).toThrow(/F16/);
    }
  });
});

describe("a kernel that leaves blocks", () => {
  const values = Float32Array.from({ length: 40 }, (_, i) => (i % 7 === 3 ? -i : i));
  const weights = Float32Array.from({ length: 40 }, (_, i) => 100 + i);

  /** One weight per block, in two bytes: the weight and its author, the kernel (1) or the codec (2, and the importance). */
  const codec: BlockCodec = {
    ...F16,
    name: "TEST",
    importance: "used",
    quantize(given, rowLength, out, importance) {
      expect(given.length).toBe(rowLength);
      given.forEach((value, i) => {
        out[2 * i] = -value;
        out[2 * i + 1] = importance?.[i] ?? 2;
      });
    },
  };

  /** A kernel that does not do negative weights. */
  function kernel(from: number, blocks: number, to: number): number {
    const { buffer } = kernelMemory();
    for (let done = 0; done < blocks; done++) {
      const value = new Float32Array(buffer, from + 4 * done, 1)[0] ?? 0;
      if (value < 0) return blocks - done;
      new Uint8Array(buffer, to + 2 * done, 2).set([value, 1]);
    }
    return 0;
  }
  const twin = blockTwin(codec, { kernel: () => kernel });

  it.each([true, false])("lets the codec do unusual blocks and goes on (in its memory: %s)", (inside) => {
    for (const importance of [undefined, weights]) {
      const buffer = allocateKernelBuffer(240);
      const input = inside ? buffer.floats(0, 40) : new Float32Array(40);
      const out = inside ? buffer.bytes(160, 240) : new Uint8Array(80);
      input.set(values);
      twin.quantize?.(input, 40, out, importance);
      values.forEach((value, i) => {
        const writer = value < 0 ? (importance?.[i] ?? 2) : 1;
        expect([...out.subarray(2 * i, 2 * i + 2)]).toEqual([Math.abs(value), writer]);
      });
      buffer.release();
    }
  });
});

describe("kernel buffers", () => {
  it("do not overlap, keep their contents while the memory grows, and are reused", () => {
    const first = allocateKernelBuffer(1000);
    first.bytes().fill(1);
    const second = allocateKernelBuffer(4 << 20);
    second.bytes().fill(2);
    expect(first.bytes().every((byte) => byte === 1)).toBe(true);
    expect(second.floats(1, 3).byteLength).toBe(8);
    const { byteOffset } = second.bytes();
    second.release();
    const third = allocateKernelBuffer(4 << 20);
    expect(third.bytes().byteOffset).toBe(byteOffset);
    third.release();
    first.release();
  });

  it("stay where they are while others are allocated after a wait", async () => {
    const first = allocateKernelBuffer(1000);
    const view = first.bytes();
    view.fill(1);
    await Promise.resolve();
    const whole = kernelMemory().buffer.byteLength;
    const second = allocateKernelBuffer(whole);
    expect(kernelMemory().buffer.byteLength).toBe(whole);
    expect(kernelAddress(second.bytes())).toBe(undefined);
    expect(view.every((byte) => byte === 1)).toBe(true);
    expect(view.length).toBe(1000);
    first.release();
    second.release();
    const third = allocateKernelBuffer(whole);
    expect(kernelMemory().buffer.byteLength > whole).toBe(true);
    expect(kernelAddress(third.bytes()) !== undefined).toBe(true);
    third.release();
  });

  it("refuse odd lengths and ranges outside", () => {
    expect(() => allocateKernelBuffer(5)).toThrow(/multiple of 4/);
    const buffer = allocateKernelBuffer(8);
    expect(() => buffer.bytes(0, 9)).toThrow(/within/);
    expect(() => buffer.floats(-1, 1)).toThrow(/within/);
    buffer.release();
  });

  it("are plain memory where there are no kernels", () => {
    withoutKernels(() => {
      const buffer = allocateKernelBuffer(16);
      buffer.floats()[3] = 1;
      expect([...buffer.bytes(12)]).toEqual([0, 0, 128, 63]);
      buffer.release();
    });
  });
});

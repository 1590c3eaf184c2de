/** The kernel behind FP8 weights against the TypeScript, bit for bit: every code, odd sizes, memory of both kinds. */
import { installKernels, kernelsAreInstalled } from "@requant/core/kernels";
import { dequantizeE4m3, type RowScales } from "@requant/core/numeric";
import { float8Codec } from "@requant/float8";
import { afterAll, describe, expect, it } from "vitest";
import {
  expectSame,
  floatsOf,
  guarded,
  randomNumbers,
  seed,
  withSwitch,
} from "../../../fixtures/guarded-memory.ts";

/** Blocks that fill the kernel's steps of sixteen codes, fall short of them, and cross them. */
const cases: readonly (readonly [
  rows: number,
  columns: number,
  blockColumns: number,
  rowStep: number,
  kind: "normal" | "any" | "NaN" | "large scales",
])[] = [
  [3, 256, 128, 0, "normal"],
  [3, 256, 128, 0, "any"],
  [5, 160, 128, 0, "any"],
  [7, 100, 64, 0, "any"],
  [4, 33, 1, 0, "any"],
  [130, 96, 96, 1, "any"],
  [17, 70, 32, 3, "any"],
  [2, 140_000, 128, 0, "any"],
  [600, 1000, 128, 0, "any"],
  [70_000, 3, 3, 1, "any"],
  [3, 256, 128, 0, "NaN"],
  [2, 20, 20, 0, "NaN"],
  [3, 256, 128, 2, "large scales"],
];

afterAll(installKernels);

/** Every NaN as one: which one an engine makes is its own affair. */
function plainNaN(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  for (let i = 0; i < bits.length; i++) if (Number.isNaN(values[i])) bits[i] = 0x7fc00000;
  return new Uint8Array(bits.buffer);
}

function codeOf(random: () => number, kind: string): number {
  const code = Math.floor(256 * random());
  const hasNoNumber = (code & 0x7f) === 0x7f;
  const isSubnormal = (code & 0x78) === 0;
  if ((hasNoNumber && kind !== "NaN") || (isSubnormal && kind === "normal")) return 0x38;
  return code;
}

describe.skipIf(!kernelsAreInstalled())(`kernel of E4M3 (REQUANT_SEED=${seed})`, () => {
  it.each(cases)(
    "[%i, %i], blocks of %i, %i scales further in each row, %s",
    (rows, columns, blockColumns, rowStep, kind) => {
      const random = randomNumbers(seed + columns);
      const count = (rows - 1) * rowStep + Math.ceil(columns / blockColumns);
      const scales: RowScales = {
        values: Float32Array.from({ length: count }, () => (random() - 0.5) * 2 ** (40 * random() - 38)),
        rowStep,
        blockColumns,
      };
      if (kind === "large scales") scales.values.set([128, Number.NaN, -1e30]);
      const codes = Uint8Array.from({ length: rows * columns }, () => codeOf(random, kind));
      const expected = new Float32Array(codes.length);
      withSwitch(false, () => dequantizeE4m3(codes, columns, scales, expected));
      for (const [codesInside, outInside] of [
        [true, true],
        [true, false],
        [false, true],
        [false, false],
      ] as const) {
        const from = guarded(codesInside, codes.length);
        const to = guarded(outInside, 4 * codes.length);
        from.bytes.set(codes);
        withSwitch(true, () => dequantizeE4m3(from.bytes, columns, scales, floatsOf(to.bytes)));
        const where = `codes ${codesInside ? "inside" : "outside"}, values ${outInside ? "inside" : "outside"}`;
        expectSame(plainNaN(floatsOf(to.bytes)), plainNaN(expected), where);
        from.check();
        to.check();
        from.release();
        to.release();
      }
    },
  );

  it("gives all 256 codes in a lane of any place", () => {
    for (let shift = 0; shift < 16; shift++) {
      const codes = Uint8Array.from({ length: 272 }, (_, i) => (i < shift ? 0 : (i - shift) & 0xff));
      for (const [i, code] of codes.entries()) if ((code & 0x7f) === 0x7f) codes[i] = 0;
      const scales: RowScales = { values: Float32Array.of(1), rowStep: 0, blockColumns: 272 };
      const [twin, reference] = [new Float32Array(272), new Float32Array(272)];
      withSwitch(true, () => dequantizeE4m3(codes, 272, scales, twin));
      withSwitch(false, () => dequantizeE4m3(codes, 272, scales, reference));
      expectSame(new Uint8Array(twin.buffer), new Uint8Array(reference.buffer), `shift ${shift}`);
    }
  });

  it("serves weights in blocks: any band of rows has the same values", () => {
    const random = randomNumbers(seed + 1);
    const layout = float8Codec.readLayout(
      [
        { suffix: "weight", encoding: "F8_E4M3", shape: [200, 160] },
        { suffix: "weight_scale_inv", encoding: "F32", shape: [2, 2] },
      ],
      { blockSize: [128, 128] },
    );
    const bytes = {
      weight: Uint8Array.from({ length: 200 * 160 }, () => codeOf(random, "any")),
      weight_scale_inv: new Uint8Array(Float32Array.from({ length: 4 }, random).buffer),
    };
    const weight = float8Codec.open(layout, bytes);
    const whole = new Float32Array(200 * 160);
    withSwitch(false, () => weight.dequantize(0, 200, whole));
    for (const [start, end] of [
      [0, 200],
      [0, 1],
      [127, 129],
      [128, 200],
      [5, 5],
    ] as const) {
      const band = new Float32Array((end - start) * 160);
      withSwitch(true, () => weight.dequantize(start, end, band));
      expect(band).toEqual(whole.slice(start * 160, end * 160));
    }
  });
});

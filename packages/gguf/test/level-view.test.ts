/** Blocks as views: against ggml's own decoded values, and against what is written from the view. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dequantizeLevels, fitView, isLevelView, levelViewOf, type StoredView } from "@requant/core/view";
import {
  blockRowsByteLength,
  blocksToView,
  type GgufViewSource,
  type GgufViewType,
  ggmlTypeByName,
  viewSources,
  viewToBlocks,
  viewTypes,
} from "@requant/gguf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const folder = new URL("./vectors/types/", import.meta.url);

interface Vector {
  readonly file?: string;
  readonly dequantizedSha256?: string;
}

const manifest: { readonly columns: number; readonly types: Record<string, Record<string, Vector>> } =
  JSON.parse(readFileSync(new URL("manifest.json", folder), "utf8"));

/** The values of ggml's decoder: its vectors prove the codec. */
function decoded(name: string, bytes: Uint8Array, count: number): Float32Array {
  const values = new Float32Array(count);
  ggmlTypeByName(name).codec?.dequantize(bytes, values);
  return values;
}

function valuesOf(view: StoredView): Float32Array {
  const values = new Float32Array(view.rows * view.columns);
  dequantizeLevels(isLevelView(view) ? view : levelViewOf(view), values);
  return values;
}

/** f32 bits; all kinds of NaN are one. */
function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(values.map((value) => (Number.isNaN(value) ? Number.NaN : value)).buffer);
}

/** The same with −0 as 0, which is what a conversion keeps. */
function realBits(values: Float32Array): Uint32Array {
  return bits(values.map((value) => value + 0));
}

const weightsOf = ({ blockSize, blockByteLength }: GgufViewSource, bytes: Uint8Array): number =>
  (bytes.length / blockByteLength) * blockSize;

describe("blocks that ggml made, seen as views, decode to ggml's values", () => {
  const cases = viewSources.flatMap((source) =>
    Object.entries(manifest.types[source.name] ?? {}).flatMap(([kind, { file, dequantizedSha256 }]) =>
      file === undefined || dequantizedSha256 === undefined
        ? []
        : [{ name: `${source.name} ${kind}`, source, file, dequantizedSha256 }],
    ),
  );

  test("every type with a view has vectors", () => {
    expect(new Set(cases.map(({ source }) => source.name))).toEqual(
      new Set(viewSources.map(({ name }) => name)),
    );
  });

  test.each(cases)("$name", ({ source, file, dequantizedSha256 }) => {
    const bytes = new Uint8Array(readFileSync(new URL(file, folder)));
    const count = weightsOf(source, bytes);
    const columns = count % manifest.columns === 0 ? manifest.columns : source.blockSize;
    const values = valuesOf(blocksToView(source, bytes, count / columns, columns));
    // bit for bit, −0 included; the bits of a NaN depend on the processor, so the codec's values replace NaNs
    if (values.some((value) => Number.isNaN(value))) {
      expect(bits(values)).toEqual(bits(decoded(source.name, bytes, count)));
    } else {
      expect(createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex")).toBe(
        dequantizedSha256,
      );
    }
  });
});

/** The offsets of the f16 numbers in a block that decide which values fit. */
const HALVES: Readonly<Record<string, readonly number[]>> = {
  Q2_0: [0],
  Q4_0: [0],
  Q5_0: [0],
  Q8_0: [0],
  IQ4_NL: [0],
  IQ4_XS: [0],
  Q4_1: [0, 2],
  Q5_1: [0, 2],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q2_K: [80, 82],
  Q3_K: [108],
  Q6_K: [208],
  TQ2_0: [64],
};

/** Halves of all kinds: any bits, round numbers, subnormals, the largest, zeros of both signs. */
const half: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 0, max: 0xffff }),
  fc.integer({ min: 0, max: 63 }).map((exponent) => exponent << 10),
  fc.constantFrom(0, 0x8000, 1, 0x8001, 0x3ff, 0x7bff, 0x0400, 0x3c00, 0x3e00),
);

function blocksOf(source: GgufViewSource): fc.Arbitrary<Uint8Array> {
  const { blockByteLength, name, blockSize } = source;
  const count = Math.max(1, 256 / blockSize);
  return fc
    .record({
      bytes: fc.uint8Array({ minLength: count * blockByteLength, maxLength: count * blockByteLength }),
      halves: fc.array(half, { minLength: 2, maxLength: 2 }),
      quiet: fc.boolean(),
      exponent: fc.integer({ min: 90, max: 150 }),
    })
    .map(({ bytes, halves, quiet, exponent }) => {
      const out = bytes.slice();
      const view = new DataView(out.buffer);
      for (let block = 0; block < count; block++) {
        const at = block * blockByteLength;
        // every scale and minimum of a sub-block alike, few codes: what other zero points and larger blocks can hold
        if (quiet && name.endsWith("_K")) out.fill(0x11, at, at + blockByteLength);
        // the same in all blocks, so that blocks of 256 weights have a chance
        (HALVES[name] ?? []).forEach((offset, i) => {
          view.setUint16(at + offset, halves[quiet && name.endsWith("_K") ? 0 : i] ?? 0, true);
        });
        if (name === "NVFP4" && quiet) out.fill(out[at]!, at, at + 4);
        if (name === "MXFP4") out[at] = quiet ? exponent : bytes[at]!;
      }
      return out;
    });
}

function converted(source: GgufViewSource, type: GgufViewType, bytes: Uint8Array): Float32Array | undefined {
  const count = weightsOf(source, bytes);
  const view = blocksToView(source, bytes, 1, count);
  if (fitView(view, type.requirement).view === undefined) return undefined;
  const out = new Uint8Array(blockRowsByteLength(type, 1, count));
  viewToBlocks(type, view, out);
  return decoded(type.name, out, count);
}

describe("a view that fits a type has the same f32 values in the type's decoder", () => {
  test.each(viewSources.map((source) => ({ name: source.name, source })))("$name", ({ source }) => {
    const fits = new Set<string>();
    fc.assert(
      fc.property(blocksOf(source), (bytes) => {
        const values = realBits(decoded(source.name, bytes, weightsOf(source, bytes)));
        for (const type of viewTypes) {
          const back = converted(source, type, bytes);
          if (back === undefined) continue;
          fits.add(type.name);
          expect(realBits(back)).toEqual(values);
        }
      }),
      { numRuns: 150 },
    );
    expect(fits.size).toBeGreaterThan(0);
  });

  test.each([
    ["Q4_0", "Q8_0"],
    ["Q4_1", "Q5_1"],
    ["Q5_0", "Q8_0"],
    ["IQ4_NL", "Q8_0"],
    ["TQ2_0", "Q4_0"],
  ])("ggml's %s always becomes %s", (from, to) => {
    const source = viewSources.find(({ name }) => name === from);
    const type = viewTypes.find(({ name }) => name === to);
    const file = manifest.types[from]?.["plain"]?.file;
    if (source === undefined || type === undefined || file === undefined) throw new Error("no such vector");
    const bytes = new Uint8Array(readFileSync(new URL(file, folder)));
    const back = converted(source, type, bytes);
    if (back === undefined) throw new Error(`${from} does not fit ${to}`);
    expect(realBits(back)).toEqual(realBits(decoded(from, bytes, weightsOf(source, bytes))));
  });

  test("MXFP4 becomes Q5_0 and Q8_0 where its exponents are those of f16", () => {
    const source = viewSources.find(({ name }) => name === "MXFP4")!;
    const block = (exponent: number): Uint8Array =>
      Uint8Array.from({ length: 17 }, (_, i) => (i === 0 ? exponent : 17 * (i - 1)));
    const fitting = (exponent: number): string[] =>
      viewTypes
        .filter((type) => converted(source, type, block(exponent)) !== undefined)
        .map(({ name }) => name);
    // 2^-24 is the smallest f16, 2^15 the largest power of two
    expect(fitting(127)).toEqual(["MXFP4", "Q5_0", "Q5_1", "Q8_0"]);
    expect(fitting(128 - 24)).toContain("Q5_0");
    expect(fitting(128 - 25)).toEqual(["MXFP4"]);
    expect(fitting(128 + 15)).toContain("Q5_0");
    expect(fitting(128 + 16)).toEqual(["MXFP4"]);
    for (const name of ["Q5_0", "Q8_0", "Q5_1"]) {
      const back = converted(source, viewTypes.find((type) => type.name === name)!, block(127));
      expect(back).toEqual(decoded("MXFP4", block(127), 32).map((value) => value + 0));
    }
  });

  test("MXFP4 becomes NVFP4 where its scales are E4M3 numbers", () => {
    const source = viewSources.find(({ name }) => name === "MXFP4")!;
    const nvfp4 = viewTypes.find(({ name }) => name === "NVFP4")!;
    const blocks = (exponent: number, count = 2): Uint8Array =>
      Uint8Array.from({ length: 17 * count }, (_, i) => (i % 17 === 0 ? exponent : (37 * i) & 0xff));
    // 2^-9 is the smallest E4M3 number, 2^8 its largest power of two
    for (const exponent of [127 - 9, 127, 127 + 8]) {
      const back = converted(source, nvfp4, blocks(exponent));
      expect(realBits(back!)).toEqual(realBits(decoded("MXFP4", blocks(exponent), 64)));
    }
    expect(converted(source, nvfp4, blocks(127 - 10))).toBeUndefined();
    expect(converted(source, nvfp4, blocks(127 + 9))).toBeUndefined();
    // four blocks of NVFP4 are stored together
    expect(converted(source, nvfp4, blocks(127, 1))).toBeUndefined();
  });

  test("Q4_K becomes Q4_1 where scales and minimums are f16 values", () => {
    const source = viewSources.find(({ name }) => name === "Q4_K")!;
    const bytes = Uint8Array.from({ length: 144 }, (_, i) => (i * 37) & 0xff);
    const q4_1 = viewTypes.find(({ name }) => name === "Q4_1")!;
    const withHalves = (d: number, dmin: number): Uint8Array => {
      new DataView(bytes.buffer).setUint16(0, d, true);
      new DataView(bytes.buffer).setUint16(2, dmin, true);
      return bytes;
    };
    // 1.5 × 2^-8 and 1.25 × 2^-6 have few bits, so times six more they are f16; 1.0009… is a full significand
    const back = converted(source, q4_1, withHalves(0x1e00, 0x2500));
    expect(back).toEqual(decoded("Q4_K", bytes, 256));
    expect(converted(source, q4_1, withHalves(0x1c01, 0x2401))).toBeUndefined();
  });
});

/**
 * Conversions that change no weight, between the codecs themselves: layers packed by the reference tools go to every
 * layout that promises to hold them, are decoded by that layout's own codec, and compared in f32 bits. The decoders are
 * proven by their packages' vectors.
 */
import { fileURLToPath } from "node:url";
import { type AwqLayout, type AwqVersion, awqCodec } from "@requant/awq";
import { type CompressedTensorsLayout, compressedTensorsCodec } from "@requant/compressed-tensors";
import { F16 } from "@requant/core";
import {
  allocateParts,
  type LinearCodec,
  type LinearEncoder,
  type LinearLayout,
  type PartBytes,
} from "@requant/core/format";
import {
  type IntegerView,
  integerView,
  selectRows,
  type ViewFacts,
  viewFacts,
  viewMisfit,
} from "@requant/core/view";
import { exl2Codec } from "@requant/exl2";
import {
  blockRowsByteLength,
  blocksToView,
  exactTypes,
  ggmlTypeByName,
  viewToBlocks,
  viewTypeByName,
} from "@requant/gguf";
import { type GptqLayout, type GptqMarlinLayout, gptqCodec, gptqMarlinCodec } from "@requant/gptq";
import { describe, expect, test } from "vitest";
import { goldenLinear, type LinearCase, linearCases } from "../../../../fixtures/linear-cases.ts";

type Encoder<Layout extends LinearLayout> = LinearCodec<Layout, never> & LinearEncoder<Layout>;

/** A stored layer, opened: what it is worth in f32, its integers, and its facts. */
interface Source {
  readonly name: string;
  readonly view: IntegerView;
  readonly facts: ViewFacts;
  readonly values: Float32Array;
  readonly layout: LinearLayout;
  readonly bytes: PartBytes;
}

function open<Layout extends LinearLayout>(
  name: string,
  codec: LinearCodec<Layout, never>,
  layout: Layout,
  bytes: PartBytes,
): Source {
  const weight = codec.open(layout, bytes);
  const values = new Float32Array(layout.rows * layout.columns);
  weight.dequantize(0, layout.rows, values);
  return {
    name,
    view: weight.toView(0, layout.rows),
    facts: codec.measure(layout, bytes),
    values,
    layout,
    bytes,
  };
}

function write<Layout extends LinearLayout>(
  codec: Encoder<Layout>,
  layout: Layout,
  view: IntegerView,
): PartBytes {
  const bytes = allocateParts(codec.parts(layout));
  const step = Math.ceil(96 / codec.rowMultiple(layout)) * codec.rowMultiple(layout);
  for (let row = 0; row < layout.rows; row += step) {
    const end = Math.min(layout.rows, row + step);
    codec.fromView(
      layout,
      selectRows(view, end - row, (i) => row + i),
      row,
      bytes,
    );
  }
  return bytes;
}

/** Writes, reads back, and returns what was read. */
function through<Layout extends LinearLayout>(
  codec: Encoder<Layout>,
  layout: Layout,
  view: IntegerView,
): Source {
  return open(codec.name, codec, layout, write(codec, layout, view));
}

function viaBlocks(name: string, view: IntegerView): { blocks: Uint8Array; values: Float32Array } {
  const type = viewTypeByName(name);
  const blocks = new Uint8Array(blockRowsByteLength(type, view.rows, view.columns));
  viewToBlocks(type, view, blocks);
  const values = new Float32Array(view.rows * view.columns);
  ggmlTypeByName(name).codec?.dequantize(blocks, values);
  return { blocks, values };
}

/** f32 bits, −0 as 0. */
const bits = (values: Float32Array): Uint32Array => new Uint32Array(values.map((value) => value + 0).buffer);

function halves(values: Float32Array): Uint8Array {
  const out = new Uint8Array(2 * values.length);
  F16.quantize?.(values, values.length, out);
  return out;
}

function partsOf({ tensors }: LinearCase, suffixes: readonly string[], rename: Record<string, string> = {}) {
  const found = suffixes.flatMap((suffix) => {
    const tensor = tensors.get(rename[suffix] ?? suffix);
    return tensor === undefined ? [] : [{ suffix, ...tensor }];
  });
  return { parts: found, bytes: Object.fromEntries(found.map(({ suffix, bytes }) => [suffix, bytes])) };
}

const golden = goldenLinear();

/** The package's own vectors, or the whole golden set where it is there. */
function casesOf(packageName: string, kind: RegExp): LinearCase[] {
  const own = fileURLToPath(new URL(`../../../${packageName}/test/vectors`, import.meta.url));
  return linearCases(golden ?? own, "manifest.json", kind);
}

function gptqSources(): Source[] {
  return casesOf("gptq", /^gptq(-edge)?$/).map((entry) => {
    const { facts, tensors, file } = entry;
    const zeros = tensors.has("qzeros") ? "qzeros" : "qzeros_v2";
    const { parts, bytes } = partsOf(entry, gptqCodec.suffixes, { qzeros: zeros });
    const layout = gptqCodec.readLayout(parts, {
      groupSize: Number(facts["group_size"]),
      sym: facts["sym"] === true,
      checkpointFormat: facts["checkpoint_format"] === "gptq_p" ? "gptq_p" : "gptq_v2",
      quantizer: [],
    });
    return open(file, gptqCodec, layout, bytes);
  });
}

function awqSources(): Source[] {
  return casesOf("awq", /^awq$/).map((entry) => {
    const { parts, bytes } = partsOf(entry, awqCodec.suffixes);
    const version = entry.facts["version"] as AwqVersion;
    const layout = awqCodec.readLayout(parts, { version, groupSize: Number(entry.facts["group_size"]) });
    return open(entry.file, awqCodec, layout, bytes);
  });
}

function exl2Sources(): Source[] {
  return casesOf("exl2", /^exl2$/).map((entry) => {
    const { parts, bytes } = partsOf(entry, exl2Codec.suffixes);
    const layout = exl2Codec.readLayout(parts, { rows: Number(entry.facts["out_features"]) });
    return open(entry.file, exl2Codec, layout, bytes);
  });
}

function gptqLayout(source: LinearLayout, changes: Partial<GptqLayout>): GptqLayout {
  const { rows, columns } = source;
  const groupSize = changes.groupSize ?? -1;
  return {
    rows,
    columns,
    bits: 4,
    groupSize,
    groupCount: groupSize === -1 ? 1 : Math.ceil(columns / groupSize),
    sym: false,
    packing: "stream",
    packDtype: "int32",
    zeros: "stored",
    scale: "F16",
    grouping: "sequential",
    hasGroupIndex: true,
    ...changes,
  };
}

const sources = [...gptqSources(), ...awqSources()].map((source) => ({ name: source.name, source }));
const viewSources = sources.filter(({ source }) => source.facts.storedOffsets === "integer");

describe("to GGUF: every type that promises a layer holds it", () => {
  test.each(viewSources)("$name", ({ source }) => {
    const { facts, view, values } = source;
    for (const { name } of exactTypes(facts)) {
      expect(bits(viaBlocks(name, view).values), name).toEqual(bits(values));
    }
    // act-order over real groups is what no block type can hold
    const scattered = facts.scattered && facts.scaleBlockSize === 1;
    const whole = facts.columns % 32 === 0;
    const wide = facts.maxCode === 255 && !facts.symmetric;
    expect(exactTypes(facts).length > 0).toBe(!scattered && whole && !wide);
  });

  test("each kind of layer was among them", () => {
    const types = new Set(
      viewSources.flatMap(({ source }) => exactTypes(source.facts).map(({ name }) => name)),
    );
    expect([...types]).toEqual(expect.arrayContaining(["Q4_0", "Q4_K", "Q5_0", "Q5_K", "Q8_0"]));
  });
});

describe("AWQ → GPTQ → AWQ, and between AWQ's own versions", () => {
  const gemm = sources.filter(({ source }) => "version" in source.layout && source.layout.version === "gemm");

  test.each(gemm)("$name", ({ source }) => {
    const layout = source.layout as AwqLayout;
    const gptq = gptqLayout(layout, { groupSize: layout.groupSize });
    expect(viewMisfit(source.facts, gptqCodec.requirement(gptq))).toBeUndefined();
    const there = through(gptqCodec, gptq, source.view);
    expect(bits(there.values)).toEqual(bits(source.values));
    expect(there.view.codes).toEqual(source.view.codes);
    expect(write(awqCodec, layout, there.view)).toEqual(source.bytes);
    const gemv = through(awqCodec, { ...layout, version: "gemv" as const }, source.view);
    expect(bits(gemv.values)).toEqual(bits(source.values));
    expect(write(awqCodec, layout, gemv.view)).toEqual(source.bytes);
  });

  const interleaved = sources.filter(({ source }) => source.facts.storedOffsets === "rounded");
  test.each(interleaved)("$name → gemm → back: the codes stay", ({ source }) => {
    const layout = source.layout as AwqLayout;
    const gemmLayout: AwqLayout = { ...layout, version: "gemm" };
    const there = through(awqCodec, gemmLayout, source.view);
    expect(there.view).toEqual(source.view);
    expect(write(awqCodec, layout, there.view)).toEqual(source.bytes);
    // the rounding of scale × zero point is all that differs
    there.values.forEach((value, i) => {
      expect(Math.abs(value - source.values[i]!)).toBeLessThan(2 ** -10);
    });
  });
});

describe("GPTQ → compressed-tensors → GPTQ, and → Marlin → GPTQ", () => {
  const gptq = gptqSources().map((source) => ({ name: source.name, source }));

  test.each(gptq)("$name", ({ source }) => {
    const layout = source.layout as GptqLayout;
    const { rows, columns, bits: bitWidth, groupSize, groupCount, sym } = layout;
    const target: CompressedTensorsLayout = {
      rows,
      columns,
      bits: bitWidth,
      groupSize,
      groupCount,
      symmetric: sym,
      scale: "F16",
      grouping: layout.grouping,
    };
    expect(viewMisfit(source.facts, compressedTensorsCodec.requirement(target))).toBeUndefined();
    const there = through(compressedTensorsCodec, target, source.view);
    expect(bits(there.values)).toEqual(bits(source.values));
    expect(there.view).toEqual(source.view);
    expect(write(gptqCodec, layout, there.view)).toEqual(source.bytes);
  });

  test.each(gptq)("$name to Marlin, where it is 4-bit, symmetric and in order", ({ source }) => {
    const { rows, columns } = source.layout;
    const groupSize = source.facts.groupSize === columns ? -1 : (source.facts.groupSize ?? 0);
    const groupCount = groupSize > 0 ? columns / groupSize : 1;
    const target: GptqMarlinLayout = { rows, columns, groupCount, groupSize, scale: "F16" };
    const fits =
      rows % 64 === 0 &&
      source.facts.groupSize !== undefined &&
      viewMisfit(source.facts, gptqMarlinCodec.requirement(target)) === undefined;
    const { bits: bitWidth, sym } = source.layout as GptqLayout;
    if (bitWidth === 4 && sym && source.facts.groupSize !== undefined) expect(fits).toBe(true);
    if (!fits || groupSize === 0) return;
    const there = through(gptqMarlinCodec, target, source.view);
    expect(bits(there.values)).toEqual(bits(source.values));
    if (bitWidth === 4 && sym)
      expect(write(gptqCodec, source.layout as GptqLayout, there.view)).toEqual(source.bytes);
  });
});

describe("GGUF → GPTQ and AWQ, and back", () => {
  /** Q4_0 and Q5_0 of ggml itself: half of the scales are negative. */
  function ggmlBlocks(name: string, rows: number, columns: number): Uint8Array {
    const values = Float32Array.from(
      { length: rows * columns },
      (_, i) => Math.sin(i * 78.233) * (1 + (i % 5)),
    );
    const { codec, blockSize, blockByteLength } = ggmlTypeByName(name);
    const blocks = new Uint8Array(((rows * columns) / blockSize) * blockByteLength);
    codec?.quantize?.(values, columns, blocks);
    return blocks;
  }

  test.each<[string, Partial<GptqLayout>]>([
    ["Q4_0", { bits: 4, sym: true }],
    ["Q4_0", { bits: 8, sym: true, zeros: "minus-one" }],
    ["Q5_0", { bits: 5, sym: true, packing: "planar" }],
    ["Q5_0", { bits: 8, sym: true }],
    ["Q8_0", { bits: 8, sym: true }],
    ["Q8_0", { bits: 8, sym: true, zeros: "minus-one", packDtype: "int8" }],
  ])("%s → GPTQ %j", (name, changes) => {
    const [rows, columns] = [64, 256];
    const blocks = ggmlBlocks(name, rows, columns);
    const read = integerView(blocksToView(viewTypeByName(name), blocks, rows, columns));
    if (read.view === undefined) throw new Error(read.misfit.reason);
    const facts = viewFacts(read.view, 255);
    expect(facts.hasNegativeScales).toBe(name !== "Q8_0");
    const layout = gptqLayout({ rows, columns }, { groupSize: 32, ...changes });
    const there = through(gptqCodec, layout, read.view);
    const values = new Float32Array(rows * columns);
    ggmlTypeByName(name).codec?.dequantize(blocks, values);
    expect(bits(there.values)).toEqual(bits(values));
    expect(viaBlocks(name, there.view).blocks).toEqual(blocks);
  });

  test("Q4_0 → AWQ gemm → Q4_0", () => {
    const [rows, columns] = [64, 256];
    const blocks = ggmlBlocks("Q4_0", rows, columns);
    const read = integerView(blocksToView(viewTypeByName("Q4_0"), blocks, rows, columns));
    if (read.view === undefined) throw new Error(read.misfit.reason);
    const layout: AwqLayout = { version: "gemm", rows, columns, groupSize: 32, groupCount: 8, scale: "F16" };
    const there = through(awqCodec, layout, read.view);
    expect(viaBlocks("Q4_0", there.view).blocks).toEqual(blocks);
  });

  test.each(gptqSources().map((source) => ({ name: source.name, source })))(
    "$name → its smallest GGUF type → the same GPTQ file",
    ({ source }) => {
      const layout = source.layout as GptqLayout;
      for (const type of exactTypes(source.facts)) {
        const { blocks } = viaBlocks(type.name, source.view);
        const read = integerView(blocksToView(type, blocks, layout.rows, layout.columns));
        if (read.view === undefined) throw new Error(read.misfit.reason);
        // groups of 32 or 16 are merged again, zero points moved back where the layout fixes them
        const groupSize = layout.groupCount === 1 ? -1 : layout.groupSize;
        const back = through(gptqCodec, { ...layout, groupSize, grouping: "sequential" }, read.view);
        expect(bits(back.values), type.name).toEqual(bits(source.values));
        if (layout.sym) expect(back.bytes, type.name).toEqual(source.bytes);
      }
    },
  );
});

describe("EXL2 → GPTQ, exact in f16", () => {
  test.each(exl2Sources().map((source) => ({ name: source.name, source })))("$name", ({ source }) => {
    const { view, facts } = source;
    const layout = gptqLayout(source.layout, {
      bits: 8,
      sym: true,
      grouping: "any",
      groupCount: view.groupCount,
      groupSize: 128,
    });
    expect(viewMisfit(facts, gptqCodec.requirement(layout))).toBeUndefined();
    const there = through(gptqCodec, layout, view);
    expect(halves(there.values)).toEqual(halves(source.values));
    expect(exactTypes(facts)).toEqual([]);
    // one width for all: GPTQ of that width holds it too
    const widths = new Set(view.zeros);
    const width = Math.log2(view.zeros[0]!) + 1;
    if (widths.size !== 1 || source.layout.columns % 32 !== 0 || source.layout.rows % 32 !== 0) return;
    const planar = width === 5 || width === 6;
    const narrow = { ...layout, bits: width, packing: planar ? ("planar" as const) : ("stream" as const) };
    expect(halves(through(gptqCodec, narrow, view).values)).toEqual(halves(source.values));
  });
});

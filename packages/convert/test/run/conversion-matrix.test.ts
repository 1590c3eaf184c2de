/**
 * docs/conversions.md, computed: every cell converts a layer of the source variant to the target, reads it back with the
 * target's own decoder and compares f32 values. `UPDATE_DOCS=1` writes the page; without it the page must be up to date.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { awqCodec } from "@requant/awq";
import { compressedTensorsCodec } from "@requant/compressed-tensors";
import { BF16, type BlockCodec, F16 } from "@requant/core";
import {
  allocateParts,
  type LinearCodec,
  type LinearEncoder,
  type LinearLayout,
  parseWords,
} from "@requant/core/format";
import {
  dequantizeView,
  fitView,
  type IntegerView,
  quantizeView,
  roundingAllowed,
  type StoredView,
  type ViewFacts,
  viewFacts,
  viewMisfit,
} from "@requant/core/view";
import { exl2Codec, packExl2, quantizeExl2 } from "@requant/exl2";
import {
  blockRowsByteLength,
  blocksToView,
  exactTypes,
  ggmlTypeByName,
  viewSourceByName,
  viewToBlocks,
  viewTypeByName,
  viewTypes,
} from "@requant/gguf";
import { gptqCodec, gptqMarlinCodec } from "@requant/gptq";
import { expect, test } from "vitest";
import { weightTargetByName } from "../../src/plan/target-formats.ts";
import { directoryTable } from "../directory-matrix.ts";

const rows = 64;
const columns = 512;
const page = new URL("../../../../docs/conversions.md", import.meta.url);

/** Bell-shaped weights with some large columns, and the same numbers at every run. */
const weights: Float32Array = (() => {
  let state = 12345;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  const large = Float32Array.from({ length: columns }, () => (uniform() > 0.45 ? 4 : 1));
  return Float32Array.from(
    { length: rows * columns },
    (_, i) => (uniform() + uniform() + uniform() + uniform() / 4) * 0.03 * large[i % columns]!,
  );
})();

/** A stored layer: its view, how its columns are grouped, and what its own decoder says. */
interface Stored {
  readonly view: StoredView;
  readonly grouping: { readonly groupSize: number | undefined; readonly groupCount: number };
  readonly values: Float32Array;
}

/** One that a plan judges by the facts of its small parts. */
interface Source extends Stored {
  readonly view: IntegerView;
  readonly facts: ViewFacts;
}

function sourceOf(view: IntegerView, maxCode: number, changes: Partial<ViewFacts> = {}): Source {
  const values = new Float32Array(rows * columns);
  dequantizeView(view, values);
  const facts = { ...viewFacts(view, maxCode), ...changes };
  return { view, facts, grouping: facts, values };
}

function affine(bits: number, groupSize: number, symmetric: boolean): Source {
  return sourceOf(
    quantizeView(weights, rows, columns, { bits, groupSize, symmetric, scale: "F16" }),
    2 ** bits - 1,
  );
}

/** Two bits with all four zero points, which chance alone would not give. */
function everyZeroPoint(): Source {
  const { view } = affine(2, 128, false);
  return sourceOf({ ...view, zeros: view.zeros.map((_, i) => i % 4) }, 3);
}

function actOrder(source: Source): Source {
  const groupOfColumn = source.view.groupOfColumn.map((_, column) => (column * 7) % source.view.groupCount);
  return sourceOf({ ...source.view, groupOfColumn }, source.facts.maxCode);
}

/** Stored by AWQ's gemv_fast, which rounds scale × zero point. */
function gemvFast(): Source {
  const { view } = affine(4, 128, false);
  const layout = {
    version: "gemv_fast",
    rows,
    columns,
    groupSize: 128,
    groupCount: 4,
    scale: "F16",
  } as const;
  const bytes = allocateParts(awqCodec.parts(layout));
  awqCodec.fromView(layout, view, 0, bytes);
  return opened(awqCodec, layout, bytes);
}

function exl2(widths: readonly { bits: number; share: number; groupSize: number }[]): Source {
  const { layout, bytes } = packExl2(quantizeExl2(weights, rows, columns, { widths }));
  return opened(exl2Codec, layout, bytes);
}

function opened<Layout extends LinearLayout>(
  codec: LinearCodec<Layout, never>,
  layout: Layout,
  bytes: Record<string, Uint8Array>,
): Source {
  const weight = codec.open(layout, bytes);
  const values = new Float32Array(rows * columns);
  weight.dequantize(0, rows, values);
  const facts = codec.measure(layout, bytes);
  return { view: weight.toView(0, rows), facts, grouping: facts, values };
}

/** Blocks that ggml's quantizer makes. */
function ggml(name: string): Stored {
  const { codec, blockSize, blockByteLength } = ggmlTypeByName(name);
  const blocks = new Uint8Array(((rows * columns) / blockSize) * blockByteLength);
  codec?.quantize?.(weights, columns, blocks);
  const values = new Float32Array(rows * columns);
  codec?.dequantize(blocks, values);
  const type = viewSourceByName(name);
  if (type === undefined) throw new Error(`${name} has no view`);
  const { factorSizes, biasSize = columns } = type.view;
  const groupSize = factorSizes.reduce((a, size) => Math.min(a, size), biasSize);
  const grouping = { groupSize, groupCount: columns / groupSize };
  return { view: blocksToView(type, blocks, rows, columns), grouping, values };
}

/** Codes of mlx's own quantizer, in a layout as the target of MLX offers it. */
function mlx(words: string): Stored {
  const target = weightTargetByName("mlx");
  const given = parseWords(target.words, words);
  const settings = target.settle?.(given) ?? given;
  const offers = target.offers({ module: "m", rows, columns, views: [], floats: "F16" }, settings, undefined);
  const [offer] = "reason" in offers ? [] : offers;
  if (offer === undefined) throw new Error(`mlx:${words} packs no such weight`);
  const { floats, parts, open } = target.encoder(offer.layout);
  const bytes = allocateParts(parts);
  if (floats.kind === "rows") floats.pack(weights, 0, bytes);
  const weight = open(bytes);
  const view = weight.toView === undefined ? weight.toLevels?.(0, rows) : undefined;
  if (view === undefined) throw new Error(`mlx:${words} has no view`);
  const values = new Float32Array(rows * columns);
  weight.dequantize(0, rows, values);
  const groupSize = Number(offer.layout["groupSize"]);
  return { view, grouping: { groupSize, groupCount: columns / groupSize }, values };
}

const sources: Record<string, () => Source | Stored> = {
  "GPTQ 2-bit, 128": everyZeroPoint,
  "GPTQ 3-bit, 128": () => affine(3, 128, true),
  "GPTQ 4-bit sym, 128": () => affine(4, 128, true),
  "GPTQ 4-bit sym, 128, act-order": () => actOrder(affine(4, 128, true)),
  "GPTQ 4-bit sym, 256 or column": () => affine(4, -1, true),
  "GPTQ or AWQ 4-bit asym, 128": () => affine(4, 128, false),
  "GPTQ or AWQ 4-bit asym, 256 or column": () => affine(4, 256, false),
  "AWQ gemv_fast, llm-awq": gemvFast,
  "GPTQ 5-bit sym, 64": () => affine(5, 64, true),
  "GPTQ 6-bit sym, column": () => affine(6, -1, true),
  "GPTQ 7-bit asym, 128": () => affine(7, 128, false),
  "GPTQ 8-bit sym, 128": () => affine(8, 128, true),
  "GPTQ 8-bit asym, 128": () => affine(8, 128, false),
  "EXL2 4-bit": () => exl2([{ bits: 4, share: 1, groupSize: 128 }]),
  "EXL2 mixed": () =>
    exl2([
      { bits: 6, share: 0.25, groupSize: 64 },
      { bits: 3, share: 0.75, groupSize: 64 },
    ]),
  "MLX 2-bit, 32": () => mlx("2bit-32g"),
  "MLX 4-bit, 64": () => mlx("4bit-64g"),
  "MLX 5-bit, 64": () => mlx("5bit-64g"),
  "MLX 6-bit, 64": () => mlx("6bit-64g"),
  "MLX 8-bit, 64": () => mlx("8bit-64g"),
  "MLX mxfp4": () => mlx("mxfp4"),
  "MLX mxfp8": () => mlx("mxfp8"),
  "MLX nvfp4": () => mlx("nvfp4"),
  "GGUF Q4_0": () => ggml("Q4_0"),
  "GGUF Q4_1": () => ggml("Q4_1"),
  "GGUF Q5_0": () => ggml("Q5_0"),
  "GGUF Q8_0": () => ggml("Q8_0"),
  "GGUF Q4_K": () => ggml("Q4_K"),
  "GGUF IQ4_NL": () => ggml("IQ4_NL"),
  "GGUF IQ4_XS": () => ggml("IQ4_XS"),
  "GGUF MXFP4": () => ggml("MXFP4"),
  "GGUF NVFP4": () => ggml("NVFP4"),
  "GGUF TQ2_0": () => ggml("TQ2_0"),
};

/** A way to a target: what it demands, and values after having been there. */
interface Target {
  requirement(source: Stored): Parameters<typeof viewMisfit>[1];
  through(source: Stored): Float32Array;
}

function block(name: string): Target {
  const type = viewTypeByName(name);
  return {
    requirement: () => type.requirement,
    through({ view }) {
      const blocks = new Uint8Array(blockRowsByteLength(type, rows, columns));
      viewToBlocks(type, view, blocks);
      const values = new Float32Array(rows * columns);
      ggmlTypeByName(name).codec?.dequantize(blocks, values);
      return values;
    },
  };
}

function linear<Layout extends LinearLayout>(
  codec: LinearCodec<Layout, never> & LinearEncoder<Layout>,
  layoutFor: (source: Stored) => Layout,
): Target {
  return {
    requirement: (source) => codec.requirement(layoutFor(source)),
    through(source) {
      const layout = layoutFor(source);
      const bytes = allocateParts(codec.parts(layout));
      codec.fromView(layout, source.view, 0, bytes);
      const values = new Float32Array(rows * columns);
      codec.open(layout, bytes).dequantize(0, rows, values);
      return values;
    },
  };
}

/** Groups as the source has them, or one per column where they are scattered or uneven. */
function groupsOf({ grouping: { groupSize: own, groupCount } }: Stored): {
  groupSize: number;
  groupCount: number;
  grouping: "any" | "sequential";
} {
  const groupSize = own === undefined || own >= columns ? -1 : own;
  if (own === undefined) return { groupSize, groupCount, grouping: "any" };
  return { groupSize, groupCount: groupSize === -1 ? 1 : columns / groupSize, grouping: "sequential" };
}

const gptq = (bits: number, sym: boolean): Target =>
  linear(gptqCodec, (source) => ({
    rows,
    columns,
    bits,
    ...groupsOf(source),
    sym,
    packing: bits === 5 || bits === 6 || bits === 7 ? "planar" : "stream",
    packDtype: "int32",
    zeros: "stored",
    scale: "F16",
    hasGroupIndex: true,
  }));

const targets: Record<string, Target> = {
  Q4_0: block("Q4_0"),
  Q4_1: block("Q4_1"),
  Q4_K: block("Q4_K"),
  Q5_0: block("Q5_0"),
  Q5_1: block("Q5_1"),
  Q5_K: block("Q5_K"),
  Q6_K: block("Q6_K"),
  Q8_0: block("Q8_0"),
  "GPTQ 4-bit": gptq(4, false),
  "GPTQ 8-bit sym": gptq(8, true),
  "AWQ gemm": linear(awqCodec, (source) => {
    const { groupSize, groupCount } = groupsOf(source);
    return { version: "gemm", rows, columns, groupSize, groupCount, scale: "F16" };
  }),
  "GPTQ Marlin": linear(gptqMarlinCodec, (source) => {
    const { groupSize, groupCount } = groupsOf(source);
    return { rows, columns, groupSize, groupCount, scale: "F16" };
  }),
  "compressed-tensors 8-bit": linear(compressedTensorsCodec, (source) => ({
    rows,
    columns,
    bits: 8,
    ...groupsOf(source),
    symmetric: false,
    scale: "F16",
  })),
};

const bits = (values: Float32Array): Uint32Array => new Uint32Array(values.map((value) => value + 0).buffer);

function rounded(values: Float32Array, float: BlockCodec): Float32Array {
  const bytes = new Uint8Array(2 * values.length);
  float.quantize?.(values, columns, bytes);
  const out = new Float32Array(values.length);
  float.dequantize(bytes, out);
  return out;
}

const toHalf = (values: Float32Array): Float32Array => rounded(values, F16);

function cell(source: Source, target: Target): string {
  const requirement = target.requirement(source);
  // a plan knows facts; an encoder sees the codes, and may find room that the facts do not promise
  const promised = viewMisfit(source.facts, requirement) === undefined;
  const strict = fitView(source.view, requirement).misfit === undefined;
  if (promised) expect(strict).toBe(true);
  if (promised && source.facts.storedOffsets === "integer") {
    const values = target.through(source);
    if (source.view.rounding === "none") {
      expect(bits(values)).toEqual(bits(source.values));
      return "exact";
    }
    expect(bits(toHalf(values))).toEqual(bits(source.values));
    return "exact in f16";
  }
  if (viewMisfit(source.facts, roundingAllowed(requirement)) === undefined) {
    const values = target.through(source);
    let largest = 0;
    let scale = 0;
    for (const value of source.view.scales) scale = Math.max(scale, Math.abs(value));
    values.forEach((value, i) => {
      largest = Math.max(largest, Math.abs(value - source.values[i]!));
    });
    // an f16 is within 2^-11 of what it rounds; offsets reach 16 steps, products 128
    expect(largest).toBeLessThanOrEqual((scale * 128) / 2048);
    return "rounded";
  }
  return "–";
}

/** Blocks have no small parts: a plan looks at their codes. */
function blockCell(source: Stored, target: Target): string {
  if (fitView(source.view, target.requirement(source)).view === undefined) return "–";
  expect(bits(target.through(source))).toEqual(bits(source.values));
  return "exact";
}

const floats = [BF16, F16];

/** Whether a float type holds every value; bit for bit. */
function floatCell({ values, view }: Stored, float: BlockCodec): string {
  const exact = Buffer.compare(Buffer.from(rounded(values, float).buffer), Buffer.from(values.buffer)) === 0;
  // EXL2's values are f16 values
  if (view.rounding === "f16" && float === F16) expect(exact).toBe(true);
  return exact ? "exact" : "rounded";
}

function smallestExact(source: Source | Stored): string {
  const found =
    "facts" in source
      ? source.facts.storedOffsets === "integer" && exactTypes(source.facts)[0]
      : viewTypes.find(({ requirement }) => fitView(source.view, requirement).view !== undefined);
  return found ? found.name : "–";
}

function row(name: string): string {
  const source = sources[name]!();
  const cells = Object.values(targets).map((target) =>
    "facts" in source ? cell(source, target) : blockCell(source, target),
  );
  const half = floats.map((float) => floatCell(source, float));
  return `| ${name} | ${smallestExact(source)} | ${[...cells, ...half].join(" | ")} |`;
}

test("docs/conversions.md says what the codecs do, and whole conversions", async () => {
  const names = Object.keys(targets);
  const table = [
    `| from \\ to | smallest exact GGUF type | ${names.join(" | ")} | BF16 | F16 |`,
    `|${"---|".repeat(names.length + 4)}`,
    ...Object.keys(sources).map(row),
  ].join("\n");
  const text = `# What converts without changing a weight

Quantized layouts store \`level × scale + offset\`: integers around a zero point, or the levels of a table, and perhaps an offset of their own (docs/adr/0002-the-level-view.md). Where the target can hold the same numbers, Requant moves them and no weight changes. This table is computed by \`packages/convert/test/run/conversion-matrix.test.ts\`: each cell converts a layer of ${rows} × ${columns} weights, decodes it with the target's own decoder, and compares f32 bits.

- **exact**: other bytes, the same values.
- **exact in f16**: EXL2 rounds each weight to f16 after its multiplication. GPTQ's runtimes do the same, so they compute the same f16 weights; the f32 product before rounding differs.
- **rounded**: the same codes; scales, or scale × zero point, are rounded to f16 (within 2⁻¹¹ of themselves).
- **–**: the codes or groups do not fit. The weights can only be quantized anew, and the report measures what that costs.

F32 holds every source exactly. Scales are f16 everywhere here; a file with bf16 or f32 scales is exact where its scales happen to be f16 values, else rounded.

${table}

GGUF sources are what ggml makes of those weights. MXFP4 and IQ4_NL are integers in finer steps (−12 to 12, −127 to 113) and fit where those and their scales do. The minimums of Q4_1 and Q5_1 stay as they are in each other where the codes fit; in other layouts, and those of Q2_K, Q4_K and Q5_K, where they are whole multiples of the scale, which ggml's own quantizer hardly ever gives. The same holds for the biases of MLX, which are exact in Q4_1 and Q5_1 where scales and biases are f16 numbers.

Numbers behind a name are columns per group; "column" is one group per row. Groups that are multiples of 32 columns fit 32-column blocks, multiples of 256 (or one group per row of a multiple of 256) fit K-quants, whose sub-block scales are set to 1 and minimums to the zero point.

Act-order (\`desc_act\`) spreads the columns of a group over the row. Block formats share one scale per 32 or 256 neighbours, so they cannot hold it; formats that store a group per column (\`g_idx\`) can. With one group per row act-order leaves no trace, and everything fits.

Zero points: GPTQ v1 stores them minus one and cannot hold 0, so Requant writes \`gptq_v2\` where one occurs. AWQ holds 0 to 15.

GGUF's permutation of q and k rows moves whole rows, packed or not: it never stands in the way.

## Whole models

The same for directories and files, as \`requant convert\` carries them out: a Llama layer of random codes, all scales and zero points different, is planned, converted, opened again and verified weight by weight in f32. A cell says what becomes of the linear weights; where they change, the number is the largest RMSE of one of them over its RMS. Whatever is neither copy nor exact is refused with \`--exact\`, and nothing is written. Random codes have no large and small weights, so the errors of new codes are larger here than in a trained model.

${await directoryTable()}

\`gguf:auto\` takes the smallest type that holds the values, which for act-order is F32 and for EXL2 F16. EXL2 and act-order keep their own groups in GPTQ and compressed-tensors, whatever group size was asked for: g_idx says which group each column is in.
`;
  if (process.env["UPDATE_DOCS"] === "1") writeFileSync(page, text);
  expect(readFileSync(page, "utf8")).toBe(text);
}, 300_000);

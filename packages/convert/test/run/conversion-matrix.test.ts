/**
 * docs/conversions.md, computed: every cell converts a layer of the source variant to the target, reads it back with the
 * target's own decoder and compares f32 values. `UPDATE_DOCS=1` writes the page; without it the page must be up to date.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { awqCodec } from "@requant/awq";
import { compressedTensorsCodec } from "@requant/compressed-tensors";
import { F16 } from "@requant/core";
import { allocateParts, type LinearCodec, type LinearEncoder, type LinearLayout } from "@requant/core/format";
import {
  dequantizeView,
  fitView,
  type IntegerView,
  integerView,
  quantizeView,
  roundingAllowed,
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
  viewToBlocks,
  viewTypeByName,
} from "@requant/gguf";
import { gptqCodec, gptqMarlinCodec } from "@requant/gptq";
import { expect, test } from "vitest";
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

interface Source {
  readonly view: IntegerView;
  readonly facts: ViewFacts;
  /** What the source's own decoder says. */
  readonly values: Float32Array;
}

function sourceOf(view: IntegerView, maxCode: number, changes: Partial<ViewFacts> = {}): Source {
  const values = new Float32Array(rows * columns);
  dequantizeView(view, values);
  return { view, facts: { ...viewFacts(view, maxCode), ...changes }, values };
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
  return { view: weight.toView(0, rows), facts: codec.measure(layout, bytes), values };
}

/** Blocks that ggml's quantizer makes; undefined view where their minimums are no multiples of the scale. */
function ggml(name: string): Source | { readonly values: Float32Array; readonly view?: undefined } {
  const { codec, blockSize, blockByteLength } = ggmlTypeByName(name);
  const blocks = new Uint8Array(((rows * columns) / blockSize) * blockByteLength);
  codec?.quantize?.(weights, columns, blocks);
  const values = new Float32Array(rows * columns);
  codec?.dequantize(blocks, values);
  const { view } = integerView(blocksToView(viewTypeByName(name), blocks, rows, columns));
  return view === undefined
    ? { values }
    : {
        ...sourceOf(
          view,
          view.codes.reduce((a, b) => Math.max(a, b), 0),
        ),
        values,
      };
}

const sources: Record<string, () => Source | { readonly values: Float32Array; readonly view?: undefined }> = {
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
  "GGUF Q4_0": () => ggml("Q4_0"),
  "GGUF Q4_1": () => ggml("Q4_1"),
  "GGUF Q5_0": () => ggml("Q5_0"),
  "GGUF Q8_0": () => ggml("Q8_0"),
  "GGUF Q4_K": () => ggml("Q4_K"),
};

/** A way to a target: what it demands, and values after having been there. */
interface Target {
  requirement(source: Source): Parameters<typeof viewMisfit>[1];
  through(source: Source): Float32Array;
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
  layoutFor: (source: Source) => Layout,
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
function grouping({ facts }: Source): { groupSize: number; groupCount: number } {
  const groupSize = facts.groupSize === undefined || facts.groupSize >= columns ? -1 : facts.groupSize;
  return {
    groupSize,
    groupCount: facts.groupSize === undefined ? facts.groupCount : groupSize === -1 ? 1 : columns / groupSize,
  };
}

const gptq = (bits: number, sym: boolean): Target =>
  linear(gptqCodec, (source) => ({
    rows,
    columns,
    bits,
    ...grouping(source),
    sym,
    packing: bits === 5 || bits === 6 || bits === 7 ? "planar" : "stream",
    packDtype: "int32",
    zeros: "stored",
    scale: "F16",
    grouping: source.facts.groupSize === undefined ? "any" : "sequential",
    hasGroupIndex: true,
  }));

const targets: Record<string, Target> = {
  Q4_0: block("Q4_0"),
  Q4_1: block("Q4_1"),
  Q4_K: block("Q4_K"),
  Q5_0: block("Q5_0"),
  Q5_K: block("Q5_K"),
  Q6_K: block("Q6_K"),
  Q8_0: block("Q8_0"),
  "GPTQ 4-bit": gptq(4, false),
  "GPTQ 8-bit sym": gptq(8, true),
  "AWQ gemm": linear(awqCodec, (source) => ({
    version: "gemm",
    rows,
    columns,
    ...grouping(source),
    scale: "F16",
  })),
  "GPTQ Marlin": linear(gptqMarlinCodec, (source) => ({ rows, columns, ...grouping(source), scale: "F16" })),
  "compressed-tensors 8-bit": linear(compressedTensorsCodec, (source) => ({
    rows,
    columns,
    bits: 8,
    ...grouping(source),
    symmetric: false,
    scale: "F16",
    grouping: source.facts.groupSize === undefined ? "any" : "sequential",
  })),
};

const bits = (values: Float32Array): Uint32Array => new Uint32Array(values.map((value) => value + 0).buffer);

function toHalf(values: Float32Array): Float32Array {
  const bytes = new Uint8Array(2 * values.length);
  F16.quantize?.(values, columns, bytes);
  const out = new Float32Array(values.length);
  F16.dequantize(bytes, out);
  return out;
}

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

function row(name: string): string {
  const source = sources[name]!();
  if (source.view === undefined) {
    return `| ${name} | – | ${Object.keys(targets)
      .map(() => "–")
      .join(" | ")} | rounded |`;
  }
  const auto = source.facts.storedOffsets === "integer" ? (exactTypes(source.facts)[0]?.name ?? "–") : "–";
  const cells = Object.values(targets).map((target) => cell(source, target));
  // EXL2's values are f16 values; the other products need more bits than an f16 has
  if (source.view.rounding === "f16") expect(bits(toHalf(source.values))).toEqual(bits(source.values));
  const half = source.view.rounding === "f16" ? "exact" : "rounded";
  return `| ${name} | ${auto} | ${cells.join(" | ")} | ${half} |`;
}

test("docs/conversions.md says what the codecs do, and whole conversions", async () => {
  const names = Object.keys(targets);
  const table = [
    `| from \\ to | smallest exact GGUF type | ${names.join(" | ")} | F16 |`,
    `|${"---|".repeat(names.length + 3)}`,
    ...Object.keys(sources).map(row),
  ].join("\n");
  const text = `# What converts without changing a weight

Most quantized layouts store \`scale × (code − zero point)\`. Where the target can hold the same integers and the same scales, Requant moves them and no weight changes. This table is computed by \`packages/convert/test/conversion-matrix.test.ts\`: each cell converts a layer of ${rows} × ${columns} weights, decodes it with the target's own decoder, and compares f32 bits.

- **exact**: other bytes, the same values.
- **exact in f16**: EXL2 rounds each weight to f16 after its multiplication. GPTQ's runtimes do the same, so they compute the same f16 weights; the f32 product before rounding differs.
- **rounded**: the same codes; scales, or scale × zero point, are rounded to f16 (within 2⁻¹¹ of themselves).
- **–**: the codes or groups do not fit. The weights can only be quantized anew, and the report measures what that costs.

F32 holds every source exactly. Scales are f16 everywhere here; a file with bf16 or f32 scales is exact where its scales happen to be f16 values, else rounded.

${table}

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

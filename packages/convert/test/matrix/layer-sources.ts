/** Rows of the first table in docs/conversions.md: the layer, stored in every format. */
import { awqCodec } from "@requant/awq";
import { allocateParts, type LinearCodec, type LinearLayout, type OpenedWeight } from "@requant/core/format";
import {
  dequantizeView,
  type IntegerView,
  isLevelView,
  type LevelView,
  levelViewOf,
  quantizeView,
  type Span,
  type ViewFacts,
  viewFacts,
} from "@requant/core/view";
import { exl2Codec, packExl2, quantizeExl2 } from "@requant/exl2";
import { blocksToView, ggmlTypeByName, viewSourceByName } from "@requant/gguf";
import { weightFormats } from "../../src/formats.ts";
import { columns, rows, type Source, type Stored, weights } from "./layer.ts";
import { writtenLayer } from "./layer-targets.ts";
import {
  bitnet,
  float8BlocksBf16,
  float8Rows,
  hqq,
  llmInt8,
  perMeanMagnitude,
  quantoInt4,
  quantoInt8,
  type StoredFormat,
} from "./stored-formats.ts";

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

/** An opened weight of any format. */
function layerOf(weight: OpenedWeight): Stored {
  const values = new Float32Array(rows * columns);
  weight.dequantize(0, rows, values);
  if (weight.toView !== undefined) {
    const view = weight.toView(0, rows);
    return { view, grouping: groupingOf(view), values };
  }
  const view = weight.toLevels?.(0, rows);
  return { view, unscaled: withoutScale(weight, view), grouping: groupingOf(view), values };
}

function withoutScale(
  { toUnscaled }: Pick<Extract<OpenedWeight, { toView?: undefined }>, "toUnscaled">,
  view: LevelView | undefined,
): Stored["unscaled"] {
  const scale = view?.factors.find(({ span }) => span.kind === "tensor")?.values[0];
  return toUnscaled === undefined || scale === undefined ? undefined : { view: toUnscaled(0, rows), scale };
}

/** Columns in which no number of the view changes within a row: none of the views here is in act-order. */
function groupingOf(view: IntegerView | LevelView | undefined): Stored["grouping"] {
  const spans = view === undefined ? [] : spansOf(isLevelView(view) ? view : levelViewOf(view));
  const groupSize = spans.reduce((least, span) => Math.min(least, spanColumns(span)), columns);
  return { groupSize, groupCount: columns / groupSize };
}

function spansOf({ factors, offset }: LevelView): Span[] {
  const spans = factors.map(({ span }) => span);
  return offset.kind === "none" ? spans : [...spans, offset.span];
}

function spanColumns(span: Span): number {
  if (span.kind === "columns") return columns / span.groupCount;
  if (span.kind === "blocks") return span.blockColumns;
  return span.kind === "runs" ? span.length : columns;
}

/** New codes of a target's own quantizer, in the first layout that it offers. */
function written(format: string, words: string, floats: "F16" | "BF16" = "F16"): Stored {
  return layerOf(writtenLayer(format, words, floats));
}

/** As a tool stores it that Requant has no target for. */
async function read({ format, config, store }: StoredFormat): Promise<Stored> {
  const module = "model.layers.0.mlp.up_proj";
  const tensors = [...store(weights, rows, columns)];
  const bytes = Object.fromEntries(tensors.map(([suffix, tensor]) => [suffix, tensor.bytes]));
  const parts = tensors.map(([suffix, tensor]) => ({
    suffix,
    name: `${module}.${suffix}`,
    encoding: tensor.encoding,
    shape: tensor.shape,
    byteLength: tensor.bytes.byteLength,
  }));
  const hints = {
    config: { hidden_size: columns },
    shapeOf: () => undefined,
    read: async ({ suffix }: { readonly suffix: string }) => bytes[suffix] ?? new Uint8Array(0),
  };
  const place = { tensor: module };
  const found = weightFormats.find(({ name }) => name === format);
  const weight = await found?.reader(config, hints, place).openable(module, parts, place);
  if (weight === undefined) throw new Error(`no format ${format}`);
  return layerOf(weight.open(bytes));
}

/** By group of rows, and by row. */
export const layerSources: Record<string, Record<string, () => Source | Stored | Promise<Stored>>> = {
  "GPTQ, AWQ, EXL2": {
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
  },
  "compressed-tensors, FP8, FP4": {
    "compressed-tensors 4-bit sym, 32, BF16 scales (Kimi)": () =>
      written("compressed-tensors", "4bit-32g-sym", "BF16"),
    "compressed-tensors W8A8, BF16 scales": () => written("compressed-tensors", "w8a8", "BF16"),
    "FP8 blocks of 128, F32 scales": () => written("fp8", "block-128"),
    "FP8 blocks of 128, BF16 scales": () => read(float8BlocksBf16),
    "FP8 blocks of 128, powers of two": () => written("fp8", "block-128-ue8m0"),
    "FP8 per channel, compressed-tensors": () => written("compressed-tensors", "fp8-channel"),
    "FP8 per channel, fbgemm": () => read(float8Rows),
    "NVFP4, compressed-tensors": () => written("compressed-tensors", "nvfp4"),
    "NVFP4, ModelOpt": () => written("nvfp4", "modelopt"),
    "MXFP4, compressed-tensors": () => written("compressed-tensors", "mxfp4"),
  },
  "bitsandbytes, HQQ, quanto, BitNet": {
    "NF4, 64": () => written("bitsandbytes", "nf4-64"),
    "LLM.int8": () => read(llmInt8),
    "HQQ 4-bit, 64": () => read(hqq),
    "quanto int8": () => read(quantoInt8),
    "quanto int4, 128": () => read(quantoInt4),
    BitNet: () => read(bitnet(perMeanMagnitude)),
    "BitNet, scale a power of two": () => read(bitnet(() => 32)),
  },
  MLX: {
    "MLX 2-bit, 32": () => written("mlx", "2bit-32g"),
    "MLX 4-bit, 64": () => written("mlx", "4bit-64g"),
    "MLX 5-bit, 64": () => written("mlx", "5bit-64g"),
    "MLX 6-bit, 64": () => written("mlx", "6bit-64g"),
    "MLX 8-bit, 64": () => written("mlx", "8bit-64g"),
    "MLX mxfp4": () => written("mlx", "mxfp4"),
    "MLX mxfp8": () => written("mlx", "mxfp8"),
    "MLX nvfp4": () => written("mlx", "nvfp4"),
  },
  GGUF: Object.fromEntries(
    ["Q4_0", "Q4_1", "Q5_0", "Q8_0", "Q4_K", "IQ4_NL", "IQ4_XS", "MXFP4", "NVFP4", "TQ2_0"].map((name) => [
      `GGUF ${name}`,
      () => ggml(name),
    ]),
  ),
};

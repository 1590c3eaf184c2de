/** Writes rows of a weight into the parts of a layout: of a view that keeps its numbers, or of floats that get new codes. */
import { UsageError } from "@requant/core";
import { packFields, streamFields } from "@requant/core/bits";
import { type PartBytes, writeFloat, writeWords } from "@requant/core/format";
import { E4M3_VALUES, floatToE8m0 } from "@requant/core/numeric";
import {
  fitView,
  isBiased,
  isTabled,
  MAX_ZERO,
  roundingAllowed,
  type StoredView,
  type ViewRequirement,
} from "@requant/core/view";
import { rowStreams } from "./codec.ts";
import { floatModeOf, groupCountOf, type MlxLayout } from "./layout.ts";
import { partOf, TABLES } from "./parameters.ts";
import { quantizeMlx } from "./quantize.ts";

/** What a view must be for the layout to hold it exactly. */
export function requirementOf(layout: MlxLayout): ViewRequirement | undefined {
  const { bits, groupSize, scale, globalScale } = layout;
  const mode = floatModeOf(layout.mode);
  // the number would have to be divided out of the scales
  if (globalScale !== undefined) return undefined;
  const base = { blockSize: groupSize, shortLastBlock: false, roundsToHalf: false };
  if (mode !== undefined) {
    const { table, scaleType } = mode;
    return {
      ...base,
      name: `MLX in mode ${layout.mode}`,
      codes: { kind: "table", name: table, levels: TABLES[table] },
      scale: scaleType,
    };
  }
  const own = scale === "U8" ? "F32" : scale;
  return {
    ...base,
    name: `MLX with ${bits} bits, groups of ${groupSize} and ${own.toLowerCase()} scales`,
    codes: { kind: "affine", maxCode: 2 ** bits - 1, minZero: -MAX_ZERO, maxZero: MAX_ZERO },
    scale: own,
    bias: own,
  };
}

/** Rows of a view, `rowStart` on. @throws UsageError where it does not fit */
export function packView(layout: MlxLayout, view: StoredView, rowStart: number, bytes: PartBytes): void {
  const requirement = requirementOf(layout);
  const fit =
    requirement === undefined
      ? { misfit: { reason: "it has a global scale" } }
      : fitView(view, roundingAllowed(requirement));
  if (fit.misfit !== undefined) {
    throw new UsageError(`This view does not fit ${requirement?.name ?? "MLX"}: ${fit.misfit.reason}.`);
  }
  const fitted = fit.view;
  packCodes(layout, fitted.codes, rowStart, bytes);
  if (isTabled(fitted)) packScaleBytes(layout, fitted.scales.map(scaleByteOf(layout)), rowStart, bytes);
  else {
    const { scales } = fitted;
    const biases = isBiased(fitted)
      ? fitted.biases
      : scales.map((scale, i) => (fitted.zeros[i] === 0 ? 0 : -scale * fitted.zeros[i]!));
    packFloatParts(layout, scales, biases, rowStart, bytes);
  }
}

/** Rows of floats, `rowStart` on. @throws ConversionError for weights that have no codes */
export function packFloats(
  layout: MlxLayout,
  values: Float32Array,
  rowStart: number,
  bytes: PartBytes,
): void {
  const { codes, scales, biases } = quantizeMlx(layout, values, layout.floats);
  packCodes(layout, codes, rowStart, bytes);
  if (biases === undefined) packScaleBytes(layout, scales, rowStart, bytes);
  else packFloatParts(layout, scales, biases, rowStart, bytes);
}

function packCodes(layout: MlxLayout, codes: Uint8Array, rowStart: number, bytes: PartBytes): void {
  const words = writeWords(partOf(layout, "weight", bytes), 32);
  const rowEnd = rowStart + codes.length / layout.columns;
  packFields(streamFields(layout.bits), codes, rowStreams(layout, rowStart, rowEnd), words);
}

function packScaleBytes(
  layout: MlxLayout,
  scales: ArrayLike<number>,
  rowStart: number,
  bytes: PartBytes,
): void {
  partOf(layout, "scales", bytes).set(scales, rowStart * groupCountOf(layout));
}

function scaleByteOf(layout: MlxLayout): (scale: number) => number {
  const isPower = floatModeOf(layout.mode)?.scaleType === "E8M0";
  return (scale) => (isPower ? (floatToE8m0(scale) ?? 255) : E4M3_VALUES.indexOf(scale));
}

function packFloatParts(
  layout: MlxLayout,
  scales: ArrayLike<number>,
  biases: ArrayLike<number>,
  rowStart: number,
  bytes: PartBytes,
): void {
  const encoding = layout.scale === "U8" ? "F32" : layout.scale;
  for (const [suffix, values] of [
    ["scales", scales],
    ["biases", biases],
  ] as const) {
    const part = partOf(layout, suffix, bytes);
    const words = encoding === "F32" ? writeWords(part, 32) : writeWords(part, 16);
    const start = rowStart * groupCountOf(layout);
    for (let i = 0; i < values.length; i++) writeFloat(words, start + i, encoding, values[i]!);
  }
}

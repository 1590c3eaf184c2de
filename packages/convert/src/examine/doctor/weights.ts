/** Reads every weight and looks at its values: the only check that takes time in proportion to the model. */

import { elementCount, type Finding, isCodecError, rowLength } from "@requant/core";
import { readWords } from "@requant/core/format";
import { finding } from "../../model/findings/finding.ts";
import type { Model, ModelTensor } from "../../model/model.ts";
import { unreadNames } from "../../model/packed-sources.ts";
import { BAND_BYTE_LENGTH, bandMemory, rowBands } from "../../model/row-bands.ts";
import { findingOfError } from "./from-error.ts";

export interface WeightOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export async function weightFindings(model: Model, options: WeightOptions = {}): Promise<Finding[]> {
  const findings: Finding[] = [];
  const total = model.tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  let done = 0;
  // statistics of a constant column are no numbers, and no weights
  const isStatistics = model.gguf?.metadata.get("general.type")?.value === "imatrix" ? /\.stats$/ : undefined;
  const unread = unreadNames(model);
  for (const tensor of model.tensors) {
    if (unread.has(tensor.name)) continue;
    if (isStatistics?.test(tensor.name)) continue;
    options.signal?.throwIfAborted();
    try {
      for (const found of await tensorFindings(model, tensor, options.signal)) findings.push(found);
    } catch (error) {
      if (!isCodecError(error)) throw error;
      findings.push({
        ...findingOfError(error, tensor.file, error.code === "IO" ? "unreadable" : "bad-weights"),
        tensor: tensor.name,
      });
    }
    done += elementCount(tensor.shape);
    options.onProgress?.(done, total);
  }
  return findings;
}

/** Exponent bits of the float types, twice in a word of 32 bits where the type has 16: all set is NaN or infinite. */
const exponents: Readonly<Record<string, readonly number[]>> = {
  F16: [0x7c00, 0x7c000000],
  BF16: [0x7f80, 0x7f800000],
  F32: [0x7f800000],
};

/** Plain floats are looked at as they are stored: "odd" sends the tensor the long way, which counts and places. */
async function glance(model: Model, tensor: ModelTensor): Promise<"fine" | "zero" | "odd"> {
  const masks = exponents[tensor.encoding];
  if (masks === undefined || tensor.byteLength % 4 !== 0) return "odd";
  const [low = 0, high = low] = masks;
  const signs = masks.length === 1 ? 0x7fffffff : 0x7fff7fff;
  const buffer = new Uint8Array(Math.min(tensor.byteLength, BAND_BYTE_LENGTH));
  let seen = 0;
  for (let start = 0; start < tensor.byteLength; start += BAND_BYTE_LENGTH) {
    const end = Math.min(start + BAND_BYTE_LENGTH, tensor.byteLength);
    const bytes = buffer.subarray(0, end - start);
    await model.readInto(tensor.name, start, bytes);
    const words = readWords(bytes, 32);
    for (let i = 0; i < words.length; i++) {
      const word = words[i] ?? 0;
      seen |= word;
      if ((word & low) === low || (word & high) === high) return "odd";
    }
  }
  return (seen & signs) === 0 ? "zero" : "fine";
}

async function tensorFindings(
  model: Model,
  tensor: ModelTensor,
  signal: AbortSignal | undefined,
): Promise<Finding[]> {
  const { name, shape, file, encoding } = tensor;
  const place = { path: file, tensor: name };
  const isMatrix = shape.filter((size) => size > 1).length >= 2;
  const zero = finding("zero-weights", "All values of the matrix are zero.", place);
  const look = await glance(model, tensor);
  if (look !== "odd") return look === "zero" && isMatrix ? [zero] : [];
  const length = rowLength(shape);
  const memory = bandMemory(shape);
  let nans = 0;
  let infinities = 0;
  let first: number | undefined;
  let allZero = true;
  for (const { start, end } of rowBands(shape)) {
    signal?.throwIfAborted();
    const band = memory({ start, end });
    await model.weight(name).readRows(start, end, band);
    for (let i = 0; i < band.length; i++) {
      const value = band[i] ?? 0;
      if (value === 0) continue;
      allZero = false;
      // NaN and the infinities are what minus themselves is not 0
      if (value - value === 0) continue;
      first ??= start * length + i;
      if (Number.isNaN(value)) nans += 1;
      else infinities += 1;
    }
  }
  const where = `of ${elementCount(shape)} (${encoding}), the first at ${first}`;
  return [
    ...(nans > 0 ? [finding("nan-weights", `${nans} values ${where}, are no numbers.`, place)] : []),
    ...(infinities > 0
      ? [finding("infinite-weights", `${infinities} values ${where}, are infinite.`, place)]
      : []),
    ...(allZero && isMatrix ? [zero] : []),
  ];
}

/** Test support: directories whose linear weights are stored as FP8 in the ways of different tools. */
import { BF16, floatToHalf, halfToFloat, type MemoryStore } from "@requant/core";
import { E4M3_VALUES, floatToE8m0 } from "@requant/core/numeric";
import { quantizeFloat8 } from "@requant/float8";
import { codecOf } from "../src/model/encodings.ts";
import { hfDirectory, type StoredTensor, type Weights } from "./hf-directory.ts";

/** How a tool stores a weight. */
export interface Float8Writer {
  /** The scale's tensor. */
  readonly scaleName: string;
  /** What shares a scale: blocks of so many rows and columns, a row, or the whole weight. */
  readonly block: readonly [rows: number, columns: number] | "row" | "weight";
  readonly scale: "F32" | "BF16" | "F8_E8M0" | "U8";
  /** E4M3 where nothing is said. */
  readonly codes?: "F8_E5M2";
  /** The scales' shape for a weight of so many rows; by default that of the blocks. */
  readonly scaleShape?: (rows: number) => readonly number[];
  /** Tensors of activations beside each weight. */
  readonly activationScales?: readonly string[];
  readonly quantizationConfig?: object;
  readonly files?: Readonly<Record<string, string>>;
}

const bytesOf = (array: Float32Array | Uint16Array): Uint8Array => new Uint8Array(array.buffer);

/** A weight as a tool stores it, and the numbers that this means. */
export function storedAsFloat8(
  { shape, encoding, bytes }: StoredTensor,
  writer: Float8Writer,
): { readonly parts: ReadonlyMap<string, StoredTensor>; readonly values: Float32Array } {
  const [rows = 0, columns = 0] = shape;
  const floats = new Float32Array(rows * columns);
  codecOf(encoding, {}).dequantize(bytes, floats);
  const { block } = writer;
  const [blockRows, blockColumns] =
    block === "row" ? [1, columns] : block === "weight" ? [rows, columns] : block;
  const [down, across] = [Math.ceil(rows / blockRows), Math.ceil(columns / blockColumns)];
  const codes = new Uint8Array(rows * columns);
  const scales = new Float32Array(down * across);
  const powersOfTwo = writer.scale === "F8_E8M0" || writer.scale === "U8";
  quantizeFloat8(floats, { columns, blockRows, blockColumns, powersOfTwo }, codes, scales);
  const stored = new Uint8Array(2 * scales.length);
  if (writer.scale === "BF16") {
    BF16.quantize?.(scales, scales.length, stored);
    BF16.dequantize(stored, scales);
  }
  const scaleBytes =
    writer.scale === "F32"
      ? bytesOf(scales.slice())
      : writer.scale === "BF16"
        ? stored
        : Uint8Array.from(scales, (scale) => floatToE8m0(scale) ?? 255);
  // E5M2 is the upper byte of an f16 number
  const isE5m2 = writer.codes === "F8_E5M2";
  const levelOf = (code: number): number => (isE5m2 ? halfToFloat(code << 8) : (E4M3_VALUES[code] ?? 0));
  if (isE5m2) for (const [i, code] of codes.entries()) codes[i] = floatToHalf(E4M3_VALUES[code] ?? 0) >> 8;
  // each value by the formula that all the tools share
  const values = floats.map((_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const scale = scales[Math.floor(row / blockRows) * across + Math.floor(column / blockColumns)] ?? 0;
    return Math.fround(levelOf(codes[i] ?? 0) * scale);
  });
  const one = bytesOf(Float32Array.of(0.125));
  const parts = new Map<string, StoredTensor>([
    ["weight", { shape, encoding: writer.codes ?? "F8_E4M3", bytes: codes }],
    [
      writer.scaleName,
      { shape: writer.scaleShape?.(rows) ?? [down, across], encoding: writer.scale, bytes: scaleBytes },
    ],
  ]);
  for (const name of writer.activationScales ?? [])
    parts.set(name, { shape: [], encoding: "F32", bytes: one });
  return { parts, values };
}

/** Two directories: the weights that `isPacked` names as FP8, and all of them as the floats that these are. */
export async function float8Directories(
  weights: Weights,
  sideFiles: Readonly<Record<string, string | Uint8Array>>,
  config: object,
  writer: Float8Writer,
  isPacked: (name: string) => boolean,
): Promise<{ readonly packed: MemoryStore; readonly floats: MemoryStore }> {
  const packed: Weights = new Map();
  const floats: Weights = new Map();
  for (const [name, tensor] of weights) {
    if (!isPacked(name)) {
      packed.set(name, tensor);
      floats.set(name, tensor);
      continue;
    }
    const { parts, values } = storedAsFloat8(tensor, writer);
    for (const [suffix, part] of parts) packed.set(name.replace(/weight$/, suffix), part);
    floats.set(name, { shape: tensor.shape, encoding: "F32", bytes: bytesOf(values) });
  }
  const { quantizationConfig, files } = writer;
  const quantized = quantizationConfig === undefined ? {} : { quantization_config: quantizationConfig };
  return {
    packed: await hfDirectory(packed, {
      ...sideFiles,
      ...files,
      "config.json": JSON.stringify({ ...config, ...quantized }),
    }),
    floats: await hfDirectory(floats, { ...sideFiles, "config.json": JSON.stringify(config) }),
  };
}

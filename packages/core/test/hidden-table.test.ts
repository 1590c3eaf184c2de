/**
 * Grids of tables: layers that other tools wrote (golden/neighbours), decoded here by the formula that their README gives,
 * checked against the hash of the tool's own values, and made grids again.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readTensors, type StoredTensor } from "../../../fixtures/linear-cases.ts";
import { E2M1_VALUES, E4M3_VALUES } from "../src/numeric/index.ts";
import { GridSearch } from "../src/view/find-hidden-grid.ts";
import { describeGrid, type HidingType } from "../src/view/hidden-grid.ts";
import { dequantizeLevels, gridView, isLevelView, type LevelView, levelViewOf } from "../src/view/index.ts";
import { random, roundedTo, searched } from "./hidden-grid.ts";

const golden = process.env["REQUANT_GOLDEN"];
const why = golden === undefined ? ", needs the full golden set (REQUANT_GOLDEN)" : "";

interface Layer {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

function generalView(values: Float32Array, columns: number, type: HidingType): LevelView | undefined {
  const { found } = searched(new GridSearch(values.length / columns, columns, type), values, columns);
  if (found === undefined) return undefined;
  const view = gridView(values, columns, type, found.grid);
  return isLevelView(view) ? view : levelViewOf({ ...view, rounding: "none" });
}

function describedGrid({ values, columns }: Layer, type: HidingType): string {
  const { found } = searched(new GridSearch(values.length / columns, columns, type), values, columns);
  return found === undefined ? "none" : describeGrid(found.grid);
}

/** Every float of the layer is what the grid's view gives, rounded to the type. */
function expectReproduced(values: Float32Array, columns: number, type: HidingType): void {
  const view = generalView(values, columns, type);
  const back = new Float32Array(values.length);
  if (view !== undefined) dequantizeLevels(view, back);
  // −0 and 0 are one number
  expect(back.map((value) => roundedTo(type, value) + 0)).toEqual(values.map((value) => value + 0));
}

describe("made here", () => {
  const columns = 256;
  const rows = 128;
  /** Random E4M3 or E2M1 codes times the scale of their block. */
  function layer(table: Float32Array, blockRows: number, width: number, scaleOf: () => number): Layer {
    const values = new Float32Array(rows * columns);
    const perRow = columns / width;
    const scales = Float32Array.from({ length: (rows / blockRows) * perRow }, scaleOf);
    for (let i = 0; i < values.length; i++) {
      const block = Math.floor(i / columns / blockRows) * perRow + Math.floor((i % columns) / width);
      let level = Number.NaN;
      while (Number.isNaN(level)) level = table[Math.floor(random() * table.length)] ?? 0;
      values[i] = Math.fround(level * (scales[block] ?? 0));
    }
    return { rows, columns, values };
  }

  it.each([
    [
      "MXFP4, groups of 32 columns, E8M0 scales",
      () => layer(E2M1_VALUES, 1, 32, () => 2 ** -Math.ceil(4 + 8 * random())),
    ],
    [
      "NVFP4, groups of 16 columns, E4M3 scales",
      () => layer(E2M1_VALUES, 1, 16, () => E4M3_VALUES[8 + Math.floor(random() * 100)] ?? 1),
    ],
    [
      "FP8 E4M3, one group per row, E8M0 scales",
      () => layer(E4M3_VALUES, 1, columns, () => 2 ** -Math.ceil(9 * random())),
    ],
  ] as const)("%s, in F32 and BF16", (described, make) => {
    const made = make();
    for (const type of ["F32", "BF16"] as const) {
      expect(describedGrid(made, type)).toBe(described);
      expectReproduced(made.values, columns, type);
    }
  });

  it("NVFP4 rounded to BF16, with a group whose magnitudes 4 and 2 may be 6 and 3, too", () => {
    const factor = Math.fround(0.000123);
    const scaleOf = (code: number): number => Math.fround(factor * (E4M3_VALUES[code] ?? 1));
    const { values } = layer(E2M1_VALUES, 1, 16, () => scaleOf(64 + Math.floor(random() * 63)));
    // 256 × 4 / 6 is no E4M3 number
    const scale = scaleOf(E4M3_VALUES.indexOf(256));
    for (let i = 0; i < 16; i++) values[i] = scale * (i % 2 === 0 ? 4 : -2);
    const rounded = values.map((value) => roundedTo("BF16", value));
    expect(describedGrid({ rows, columns, values: rounded }, "BF16")).toBe(
      "NVFP4, groups of 16 columns, E4M3 scales, each value rounded to bf16",
    );
    expectReproduced(rounded, columns, "BF16");
  });

  it("FP8 with an f32 scale for each block of 128 × 128, in F32 and rounded to BF16", () => {
    const { values } = layer(E4M3_VALUES, 128, 128, () => Math.fround(random() * 0.001));
    // scales of fewer bits may give the same bf16 numbers, and are preferred
    const scales = { F32: "f32", BF16: "(f32|bf16|f16)" };
    for (const type of ["F32", "BF16"] as const) {
      const rounded = values.map((value) => roundedTo(type, value));
      expect(describedGrid({ rows, columns, values: rounded }, type)).toMatch(
        new RegExp(
          `^FP8 E4M3, blocks of 128 × 128, ${scales[type]} scales, each value rounded to ${type.toLowerCase()}$`,
        ),
      );
      expectReproduced(rounded, columns, type);
    }
  });
});

function floatsOf({ encoding, bytes }: StoredTensor): Float32Array {
  const { buffer, length } = bytes;
  if (encoding === "F8_E4M3") return Float32Array.from(bytes, (code) => E4M3_VALUES[code] ?? 0);
  if (encoding === "U8") return Float32Array.from(bytes, (code) => 2 ** (code - 127));
  if (encoding === "I8") return Float32Array.from(new Int8Array(buffer, 0, length));
  if (encoding === "F32") return new Float32Array(buffer, 0, length / 4);
  const halves = new Uint16Array(buffer, 0, length / 2);
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}

function nibbles({ bytes }: StoredTensor): Float32Array {
  return Float32Array.from({ length: 2 * bytes.length }, (_, i) => {
    const byte = bytes[i >> 1] ?? 0;
    return E2M1_VALUES[i % 2 === 0 ? byte & 15 : byte >> 4] ?? 0;
  });
}

interface GoldenCase {
  readonly id: string;
  readonly file: string;
  readonly format: string;
  readonly logical_shape: readonly [rows: number, columns: number];
  readonly ref: { readonly dtype: string; readonly sha256: string };
}

function sha256(values: Float32Array, dtype: string): string {
  const bits = new Uint32Array(values.buffer);
  const bytes = dtype === "bfloat16" ? Uint16Array.from(bits, (word) => word >>> 16) : bits;
  return createHash("sha256")
    .update(new Uint8Array(bytes.buffer, 0, bytes.byteLength))
    .digest("hex");
}

/** f32(code × scale of its block), where NVFP4's scale is first divided or multiplied by that of the tensor. */
function decoded(folder: string, { file, logical_shape }: GoldenCase): Layer {
  const [rows, columns] = logical_shape;
  const tensors = readTensors(join(folder, file));
  const of = (name: string): Float32Array | undefined => {
    const tensor = tensors.get(name);
    return tensor === undefined ? undefined : floatsOf(tensor);
  };
  const packed = tensors.get("weight_packed") ?? tensors.get("weight");
  const isPacked = packed?.encoding === "U8";
  const codes = packed === undefined ? new Float32Array(0) : isPacked ? nibbles(packed) : floatsOf(packed);
  const scales = of("weight_scale") ?? of("weight_scale_inv") ?? new Float32Array(0);
  const divisor = of("weight_global_scale")?.[0];
  const factor = of("weight_scale_2")?.[0] ?? 1;
  const blockRows = tensors.has("weight_scale_inv") ? 128 : 1;
  const perRow = scales.length / Math.ceil(rows / blockRows);
  const width = blockRows > 1 ? 128 : columns / perRow;
  const values = codes.map((code, i) => {
    const block = Math.floor(i / columns / blockRows) * perRow + Math.floor((i % columns) / width);
    const own = scales[block] ?? 0;
    return code * Math.fround(divisor === undefined ? own * factor : own / divisor);
  });
  return { rows, columns, values };
}

const rowScales = "FP8 E4M3, one group per row, f32 scales, each value rounded to";
const blocks = "FP8 E4M3, blocks of 128 × 128, f32 scales, each value rounded to";
const nvfp4 = "NVFP4, groups of 16 columns, E4M3 scales, each value rounded to";
const mxfp4 = "MXFP4, groups of 32 columns, E8M0 scales";

describe.skipIf(golden === undefined)(`of other tools${why}`, () => {
  const folder = join(golden ?? "", "neighbours");
  const cases = (): GoldenCase[] => JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")).cases;

  it.each([
    ["fp8-block", "block128", `${blocks} f32`, `${blocks} bf16`],
    ["fp8-block", "block128_ragged", `${blocks} f32`, `${blocks} bf16`],
    ["compressed-tensors/float-quantized", "fp8_channel_f32scale", `${rowScales} f32`, `${rowScales} bf16`],
    ["compressed-tensors/mxfp4-pack-quantized", "mxfp4", mxfp4, mxfp4],
    // f32(scale ÷ divisor) is no f32 number times the scale: only the bf16 values tell
    ["compressed-tensors/nvfp4-pack-quantized", "nvfp4", "none", `${nvfp4} bf16`],
    ["modelopt/nvfp4", "modelopt_plain", `${nvfp4} f32`, `${nvfp4} bf16`],
    [
      "compressed-tensors/int-quantized",
      "int8_channel",
      "8-bit symmetric integers, one group per row, f32 scales",
      "8-bit symmetric integers, one group per row, f16 scales, each value rounded to bf16",
    ],
  ])("%s %s", (format, id, inF32, inBf16) => {
    const found = cases().find((one) => one.format === format && one.id === id);
    if (found === undefined) throw new Error(`The golden set has no case ${id} of ${format}.`);
    const layer = decoded(folder, found);
    const { columns, values } = layer;
    const rounded = values.map((value) => roundedTo("BF16", value));
    // the tool's own values
    const own = found.ref.dtype === "bfloat16" ? rounded : values;
    // ModelOpt gives 0 for the code of −0
    const hashed = format === "modelopt/nvfp4" ? own.map((value) => value + 0) : own;
    expect(sha256(hashed, found.ref.dtype)).toBe(found.ref.sha256);
    expect(describedGrid(layer, "F32")).toBe(inF32);
    expect(describedGrid({ ...layer, values: rounded }, "BF16")).toBe(inBf16);
    expectReproduced(rounded, columns, "BF16");
    if (inF32 !== "none") expectReproduced(values, columns, "F32");
  });
});

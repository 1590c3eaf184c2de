import { existsSync } from "node:fs";
import { join } from "node:path";
import { bfloatToFloat, CodecError, floatToBfloat, floatToHalf, halfToFloat } from "@requant/core";
import type { LinearPart, StoredPart } from "@requant/core/format";
import { exactFloatTypes } from "@requant/core/numeric";
import { float8Codec, float8Format } from "@requant/float8";
import { describe, expect, it, test } from "vitest";
import { readTensors, sha256 } from "../../../fixtures/linear-cases.ts";

const place = { tensor: "model.layers.0.mlp.up_proj" };

/** The number of an E4M3 code by the OCP specification: sign, four bits of exponent (bias 7), three of mantissa. */
function numberOf(code: number): number {
  const [sign, exponent, mantissa] = [code & 0x80 ? -1 : 1, (code >> 3) & 15, code & 7];
  if ((code & 0x7f) === 0x7f) return Number.NaN;
  return exponent === 0 ? (sign * mantissa) / 512 : sign * (1 + mantissa / 8) * 2 ** (exponent - 7);
}

const allCodes = Uint8Array.from({ length: 256 }, (_, code) => code);

function weightOf(rows: number, columns: number): LinearPart {
  return { suffix: "weight", encoding: "F8_E4M3", shape: [rows, columns] };
}

function scaleOf(encoding: string, shape: readonly number[], suffix = "weight_scale_inv"): LinearPart {
  return { suffix, encoding, shape };
}

/** All 256 codes as a matrix of two rows, with a scale for all. */
function valuesWith(encoding: string, bytes: Uint8Array): Float32Array {
  const layout = float8Codec.readLayout([weightOf(2, 128), scaleOf(encoding, [])], {}, place);
  const values = new Float32Array(256);
  float8Codec.open(layout, { weight: allCodes, weight_scale_inv: bytes }, place).dequantize(0, 2, values);
  return values;
}

const bytesOf = (array: Float32Array | Uint16Array): Uint8Array => new Uint8Array(array.buffer);

describe("every code with a scale of every type", () => {
  const scales: readonly (readonly [encoding: string, scale: number, bytes: Uint8Array])[] = [
    ["F32", Math.fround(0.0123), bytesOf(Float32Array.of(0.0123))],
    ["F32", -3, bytesOf(Float32Array.of(-3))],
    ["F32", 2 ** 100, bytesOf(Float32Array.of(2 ** 100))],
    ["BF16", 0.0390625, bytesOf(Uint16Array.of(0x3d20))],
    ["F16", 0.0390625, bytesOf(Uint16Array.of(0x2900))],
    ["F8_E8M0", 2 ** -127, Uint8Array.of(0)],
    ["F8_E8M0", 2 ** 127, Uint8Array.of(254)],
    ["U8", 0.25, Uint8Array.of(125)],
    ["F32", 0, bytesOf(Float32Array.of(0))],
    ["F32", Number.NaN, bytesOf(Float32Array.of(Number.NaN))],
    ["F32", Number.POSITIVE_INFINITY, bytesOf(Float32Array.of(Number.POSITIVE_INFINITY))],
  ];

  it.each(scales)("%s %f", (encoding, scale, bytes) => {
    const expected = [...allCodes].map((code) => Math.fround(numberOf(code) * scale));
    // toEqual tells −0 from 0
    expect([...valuesWith(encoding, bytes)]).toEqual(expected);
  });
});

it("every E5M2 code is the upper byte of an f16 number, times the scale", () => {
  const weight = { ...weightOf(2, 128), encoding: "F8_E5M2" };
  const layout = float8Codec.readLayout([weight, scaleOf("F32", [])], {}, place);
  const scale = Math.fround(0.0123);
  const values = new Float32Array(256);
  const bytes = { weight: allCodes, weight_scale_inv: bytesOf(Float32Array.of(scale)) };
  float8Codec.open(layout, bytes, place).dequantize(0, 2, values);
  expect([...values]).toEqual([...allCodes].map((code) => Math.fround(halfToFloat(code << 8) * scale)));
});

describe("scales that are powers of two lose nothing in BF16", () => {
  const round = {
    BF16: (value: number) => bfloatToFloat(floatToBfloat(value)),
    F16: (value: number) => halfToFloat(floatToHalf(value)),
  };

  it("for every code and every such scale that is promised, and where it is not promised, a code shows why", () => {
    for (let exponent = -127; exponent <= 127; exponent++) {
      const scale = 2 ** exponent;
      const values = [...valuesWith("F8_E8M0", Uint8Array.of(exponent + 127))].filter(
        (value) => !Number.isNaN(value),
      );
      const promised = exactFloatTypes(Float32Array.of(scale));
      for (const type of ["BF16", "F16"] as const) {
        const isExact = values.every((value) => Number.isFinite(value) && round[type](value) === value);
        expect(promised.includes(type), `${type}, 2^${exponent}`).toBe(isExact);
      }
    }
  });

  it("and the same of E5M2", () => {
    const levels = [...allCodes].map((code) => halfToFloat(code << 8)).filter(Number.isFinite);
    for (let exponent = -127; exponent <= 127; exponent++) {
      const values = levels.map((level) => Math.fround(level * 2 ** exponent));
      const promised = exactFloatTypes(Float32Array.of(2 ** exponent), "E5M2");
      for (const type of ["BF16", "F16"] as const) {
        const isExact = values.every((value) => Number.isFinite(value) && round[type](value) === value);
        expect(promised.includes(type), `${type}, 2^${exponent}`).toBe(isExact);
      }
    }
  });

  it("and the same of four-bit floats", () => {
    const levels = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
    for (let exponent = -127; exponent <= 127; exponent++) {
      const values = levels.map((level) => Math.fround(level * 2 ** exponent));
      const promised = exactFloatTypes(Float32Array.of(2 ** exponent), "E2M1");
      for (const type of ["BF16", "F16"] as const) {
        const isExact = values.every((value) => Number.isFinite(value) && round[type](value) === value);
        expect(promised.includes(type), `${type}, 2^${exponent}`).toBe(isExact);
      }
    }
    // two bits of a level and six of a scale are eight; seven are too many
    expect(exactFloatTypes(Float32Array.of(63 / 32), "E2M1")).toEqual(["BF16", "F16"]);
    expect(exactFloatTypes(Float32Array.of(127 / 64), "E2M1")).toEqual(["F16"]);
    expect(round.BF16(1.5 * (127 / 64))).not.toBe(1.5 * (127 / 64));
  });

  it("and so do scales of few bits", () => {
    expect(exactFloatTypes(Float32Array.of(1.875, 0))).toEqual(["BF16", "F16"]);
    expect(exactFloatTypes(Float32Array.of(1.9375))).toEqual(["F16"]);
    expect(exactFloatTypes(Float32Array.of(1, 1 + 2 ** -7))).toEqual([]);
    expect(exactFloatTypes(Float32Array.of(0.1))).toEqual([]);
    expect(exactFloatTypes(Float32Array.of(1, Number.NaN))).toEqual([]);
    expect(exactFloatTypes(Float32Array.of(0))).toEqual(["BF16", "F16"]);
  });
});

describe("the scales' shape says what shares a scale", () => {
  const shapes: readonly (readonly [
    LinearPart,
    LinearPart,
    readonly [number, number] | undefined,
    object,
  ])[] = [
    [weightOf(200, 160), scaleOf("F32", [2, 2]), [128, 128], { blockRows: 128, blockColumns: 128 }],
    [weightOf(200, 160), scaleOf("BF16", [2, 2]), undefined, { blockRows: 128, blockColumns: 128 }],
    [weightOf(320, 64), scaleOf("F32", [10, 2]), [128, 128], { blockRows: 32, blockColumns: 32 }],
    [weightOf(64, 128), scaleOf("F32", [1, 1]), [128, 128], { blockRows: 128, blockColumns: 128 }],
    [weightOf(64, 128), scaleOf("F32", [1, 1]), undefined, { blockRows: 64, blockColumns: 128 }],
    [
      weightOf(200, 160),
      scaleOf("F32", [200, 1], "weight_scale"),
      undefined,
      { blockRows: 1, blockColumns: 160 },
    ],
    [
      weightOf(200, 160),
      scaleOf("F32", [200], "weight_scale"),
      undefined,
      { blockRows: 1, blockColumns: 160 },
    ],
    [
      weightOf(200, 160),
      scaleOf("F32", [1], "weight_scale"),
      undefined,
      { blockRows: 200, blockColumns: 160 },
    ],
    [
      weightOf(200, 160),
      scaleOf("BF16", [], "qscale_weight"),
      undefined,
      { blockRows: 200, blockColumns: 160 },
    ],
    [
      weightOf(576, 7168),
      scaleOf("F8_E8M0", [5, 56], "scale"),
      undefined,
      { blockRows: 128, blockColumns: 128 },
    ],
    [
      weightOf(48, 192),
      scaleOf("U8", [48, 6], "weight_scale"),
      undefined,
      { blockRows: 1, blockColumns: 32 },
    ],
  ];

  test.each(shapes)("%j and %j, claimed %j", (weight, scale, blockSize, expected) => {
    const layout = float8Codec.readLayout([weight, scale], { blockSize }, place);
    expect(layout).toMatchObject({ ...expected, scaleName: scale.suffix, scale: scale.encoding });
    expect(float8Codec.parts(layout)).toEqual([weight, scale]);
  });

  const bad: readonly (readonly [string, readonly LinearPart[], RegExp])[] = [
    ["no scale", [weightOf(4, 4)], /weight_scale_inv is missing/],
    ["no weight", [scaleOf("F32", [])], /weight is missing/],
    [
      "two scales",
      [weightOf(4, 4), scaleOf("F32", []), scaleOf("F32", [], "weight_scale")],
      /two scales, weight_scale_inv and weight_scale/,
    ],
    ["bytes", [{ ...weightOf(4, 4), encoding: "U8" }, scaleOf("F32", [])], /weight is U8 \[4, 4\]/],
    ["a vector", [{ ...weightOf(4, 4), shape: [4] }, scaleOf("F32", [])], /weight is F8_E4M3 \[4\]/],
    ["other floats", [weightOf(4, 4), scaleOf("F64", [])], /weight_scale_inv is F64 \[\]/],
    [
      "more scales than rows",
      [weightOf(4, 4), scaleOf("F32", [5, 1])],
      /F32 \[5, 1\] for a weight of \[4, 4\]/,
    ],
    [
      "a number of blocks that no power of two gives",
      [weightOf(100, 4), scaleOf("F32", [30, 1])],
      /\[30, 1\]/,
    ],
    ["a list that is no row's", [weightOf(4, 4), scaleOf("F32", [2])], /F32 \[2\]/],
    ["three dimensions", [weightOf(4, 4), scaleOf("F32", [1, 1, 1])], /F32 \[1, 1, 1\]/],
  ];

  test.each(bad)("refused: %s", (_, parts, message) => {
    expect(() => float8Codec.readLayout(parts, {}, place)).toThrow(
      expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(message), ...place }),
    );
  });
});

const stored = (part: LinearPart): StoredPart => ({
  ...part,
  name: `${place.tensor}.${part.suffix}`,
  byteLength: 0,
});
const hints = { config: undefined, shapeOf: () => undefined, read: async () => new Uint8Array(0) };

describe("the reader", () => {
  it("says where the configuration's blocks are not those of the scales", async () => {
    const reader = float8Format.reader({ quant_method: "fp8", weight_block_size: [128, 128] }, hints, place);
    const parts = [weightOf(64, 64), scaleOf("F32", [2, 2])];
    const weight = await reader.openable(place.tensor, parts.map(stored), place);
    const bytes = { weight_scale_inv: new Uint8Array(16) };
    expect(weight.label).toBe("FP8-block-32");
    expect(weight.examine(bytes).findings.map(({ message }) => message)).toEqual([
      "The configuration says blocks of 128 × 128; by the scales they are 32 × 32.",
    ]);
  });

  it("names the scales of activations once for all modules, and reads the weights without them", async () => {
    const reader = float8Format.reader(undefined, hints, place);
    expect(reader.findings).toEqual([]);
    const parts = [weightOf(2, 2), scaleOf("F32", [], "weight_scale"), scaleOf("F32", [], "input_scale")];
    for (const module of ["a", "b"]) await reader.openable(module, parts.map(stored), place);
    expect(reader.findings).toMatchObject([
      { severity: "note", message: expect.stringMatching(/^2 tensors are scales of activations/) },
    ]);
  });

  it("leaves the modules in floats that a configuration of any tool lists", () => {
    for (const key of ["modules_to_not_convert", "ignored_layers", "exclude_modules", "ignore"]) {
      const reader = float8Format.reader({ [key]: ["lm_head", "mlp.gate"] }, hints, place);
      expect(
        ["lm_head", "model.layers.3.mlp.gate", "model.layers.3.mlp.gate_proj"].map(reader.claimsModule),
      ).toEqual([false, false, true]);
    }
  });
});

describe("which modules are found", () => {
  const tensorsOf = (parts: readonly LinearPart[]) =>
    parts.map((part) => ({ ...stored(part), byteOffset: 0 }));
  const found = (parts: readonly LinearPart[], method?: string): string[] =>
    float8Format
      .find(tensorsOf(parts), method === undefined ? undefined : { method, format: method, settings: {} })
      .flatMap((one) => one.parts.map(({ suffix }) => suffix));

  it("all that have a scale, with the scales of activations", () => {
    for (const scale of ["weight_scale_inv", "weight_scale", "scale", "qscale_weight"]) {
      expect(found([weightOf(2, 2), scaleOf("F32", [], scale)])).toEqual(["weight", scale]);
    }
    expect(
      found([weightOf(2, 2), scaleOf("F32", [], "qscale_weight"), scaleOf("F32", [], "qscale_act")]),
    ).toHaveLength(3);
  });

  it("none whose codes are no FP8 or have no scale", () => {
    expect(found([weightOf(2, 2)])).toEqual([]);
    expect(found([scaleOf("F32", [])])).toEqual([]);
    expect(found([{ ...weightOf(2, 2), encoding: "I8" }, scaleOf("F32", [2, 1], "weight_scale")])).toEqual(
      [],
    );
    expect(found([{ ...weightOf(2, 2), shape: [2, 2, 2] }, scaleOf("F32", [], "weight_scale")])).toEqual([]);
  });

  it("under compressed-tensors only those with names of other tools", () => {
    expect(found([weightOf(2, 2), scaleOf("F32", [1], "weight_scale")], "compressed-tensors")).toEqual([]);
    expect(found([weightOf(2, 2), scaleOf("F32", [1, 1])], "compressed-tensors")).toHaveLength(2);
  });
});

const root = process.env["REQUANT_GOLDEN"];
const golden = root === undefined ? undefined : join(root, "neighbours/fp8/allcodes.safetensors");
it.skipIf(golden === undefined || !existsSync(golden))(
  "all codes with scales of all kinds are those of the reference, NaN as NaN (skipped: REQUANT_GOLDEN is not set)",
  () => {
    const tensors = [...readTensors(golden ?? "")];
    const parts = tensors.map(([suffix, { encoding, shape }]) => ({ suffix, encoding, shape }));
    const layout = float8Codec.readLayout(parts, { blockSize: [16, 64] }, place);
    const values = new Float32Array(136 * 256);
    const bytes = Object.fromEntries(tensors.map(([suffix, tensor]) => [suffix, tensor.bytes]));
    float8Codec.open(layout, bytes, place).dequantize(0, 136, values);
    const bits = new Uint32Array(values.buffer);
    // the manifest's rule for NaN
    for (let i = 0; i < bits.length; i++) if (Number.isNaN(values[i])) bits[i] = 0x7fc00000;
    expect(sha256(values)).toBe("a188df0de90a92300b51578babac24f8fe81c89c62683b792dd0d75d9671a07c");
  },
);

it("a part with bytes of another length is refused", () => {
  const layout = float8Codec.readLayout([weightOf(2, 128), scaleOf("F32", [])], {}, place);
  const open = (): unknown =>
    float8Codec.open(layout, { weight: allCodes, weight_scale_inv: new Uint8Array(3) }, place);
  expect(open).toThrow(CodecError);
});

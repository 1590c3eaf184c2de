import { floatToHalf, halfToFloat, isCodecError } from "@requant/core";
import { E2M1_VALUES, E4M3_VALUES } from "@requant/core/numeric";
import {
  dequantizeView,
  fitView,
  type IntegerView,
  integerView,
  type LevelView,
  selectRows,
  sequentialGroups,
  viewFacts,
  withMeasuredOffsets,
} from "@requant/core/view";
import {
  blockRowsByteLength,
  blocksToView,
  exactTypes,
  type GgufViewType,
  ggmlTypeByName,
  typeMisfit,
  viewToBlocks,
  viewTypeByName,
  viewTypes,
} from "@requant/gguf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

/** The oracle of every value is ggml's own decoder of the type, which the vectors prove. */
function decode(type: GgufViewType, blocks: Uint8Array, count: number): Float32Array {
  const values = new Float32Array(count);
  const { codec } = ggmlTypeByName(type.name);
  if (codec === undefined) throw new Error(`${type.name} has no codec`);
  codec.dequantize(blocks, values);
  return values;
}

function viewValues(view: IntegerView): Float32Array {
  const values = new Float32Array(view.rows * view.columns);
  dequantizeView(view, values);
  return values;
}

/** f32 bits, but with −0 as 0: what "the same real values" means. */
function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(values.map((value) => value + 0).buffer);
}

interface Shape {
  readonly bitWidth: number;
  readonly groupSize: number;
  readonly columns: number;
  readonly zero: "middle" | "any" | "one";
  readonly negative: boolean;
  readonly seed: number;
}

/** A view as GPTQ and AWQ make them: f16 scales over the whole range, codes of all values. */
function makeView({ bitWidth, groupSize, columns, zero, negative, seed }: Shape): IntegerView {
  let state = seed >>> 0;
  const next = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const rows = 3;
  const groupOfColumn = sequentialGroups(columns, groupSize);
  const groupCount = groupOfColumn[columns - 1]! + 1;
  return {
    rows,
    columns,
    groupCount,
    groupOfColumn,
    codes: Uint8Array.from({ length: rows * columns }, () => next(2 ** bitWidth)),
    // any finite f16 but zero, subnormals included
    scales: Float32Array.from({ length: rows * groupCount }, () =>
      halfToFloat((1 + next(0x7bff)) | (negative && next(2) === 0 ? 0x8000 : 0)),
    ),
    zeros: Int16Array.from({ length: rows * groupCount }, () =>
      zero === "any" ? next(2 ** bitWidth) : zero === "one" ? 1 : 2 ** (bitWidth - 1),
    ),
    rounding: "none",
  };
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  // ternary types hold the codes of one bit whose zero point is 1
  bitWidth: fc.constantFrom(1, 1, 2, 3, 4, 5, 6, 7, 8),
  groupSize: fc.constantFrom(16, 32, 48, 64, 128, 256, 512, -1),
  columns: fc.constantFrom(64, 256, 512, 768),
  zero: fc.constantFrom("middle" as const, "any" as const, "one" as const),
  negative: fc.boolean(),
  seed: fc.integer(),
});

const tableTypes = viewTypes.filter(({ requirement }) => requirement.codes.kind === "table");
const integerTypes = viewTypes.filter((type) => !tableTypes.includes(type));

describe("every type of integers", () => {
  test.each(integerTypes.map((type) => ({ name: type.name, type })))("$name", ({ type }) => {
    let fits = 0;
    fc.assert(
      fc.property(shapes, (shape) => {
        const view = makeView(shape);
        const facts = viewFacts(view, 2 ** shape.bitWidth - 1);
        const promised = typeMisfit(facts, type) === undefined;
        // the codes keep every promise of the facts; facts that know the codes promise no less
        if (promised) expect(typeMisfit(withMeasuredOffsets(facts, view), type)).toBeUndefined();
        const fit = fitView(view, type.requirement);
        if (promised) expect(fit.misfit).toBeUndefined();
        if (fit.view === undefined) return;
        fits++;
        expect(bits(viewValues(fit.view))).toEqual(bits(viewValues(view)));

        const blocks = new Uint8Array(blockRowsByteLength(type, view.rows, view.columns));
        viewToBlocks(type, view, blocks);
        const values = decode(type, blocks, view.rows * view.columns);
        expect(bits(values)).toEqual(bits(viewValues(view)));

        // and back: the same values as a view, and from there the same blocks
        const back = integerView(blocksToView(type, blocks, view.rows, view.columns));
        if (back.view === undefined) throw new Error(back.misfit.reason);
        expect(bits(viewValues(back.view))).toEqual(bits(viewValues(view)));
        const again = new Uint8Array(blocks.length);
        viewToBlocks(type, back.view, again);
        expect(again).toEqual(blocks);
      }),
      { numRuns: 300 },
    );
    expect(fits).toBeGreaterThan(0);
  });
});

describe("the exact conversions, by name", () => {
  const shape: Shape = {
    bitWidth: 4,
    groupSize: 128,
    columns: 512,
    zero: "middle",
    negative: false,
    seed: 7,
  };
  const factsOf = (changes: Partial<Shape>): ReturnType<typeof viewFacts> => {
    const all = { ...shape, ...changes };
    return viewFacts(makeView(all), 2 ** all.bitWidth - 1);
  };

  test.each<[string, Partial<Shape>, string]>([
    ["4-bit symmetric", {}, "Q4_0"],
    ["4-bit symmetric, negative scales", { negative: true }, "Q4_0"],
    ["4-bit asymmetric", { zero: "any" }, "Q5_0"],
    ["4-bit asymmetric, groups of 256", { zero: "any", groupSize: 256 }, "Q4_K"],
    ["4-bit asymmetric, one group per row", { zero: "any", groupSize: -1 }, "Q4_K"],
    ["2-bit, zero point 1", { bitWidth: 2, zero: "one" }, "Q2_0"],
    ["2-bit asymmetric", { bitWidth: 2, zero: "any" }, "Q4_0"],
    ["2-bit asymmetric, groups of 256", { bitWidth: 2, zero: "any", groupSize: 256 }, "Q2_K"],
    ["3-bit symmetric", { bitWidth: 3 }, "Q4_0"],
    ["3-bit symmetric, groups of 256", { bitWidth: 3, groupSize: 256 }, "Q3_K"],
    ["3-bit asymmetric, groups of 256", { bitWidth: 3, zero: "any", groupSize: 256 }, "Q4_0"],
    ["5-bit symmetric", { bitWidth: 5 }, "Q5_0"],
    ["5-bit asymmetric", { bitWidth: 5, zero: "any" }, "Q8_0"],
    ["5-bit asymmetric, groups of 256", { bitWidth: 5, zero: "any", groupSize: 256 }, "Q5_K"],
    ["6-bit symmetric", { bitWidth: 6 }, "Q8_0"],
    ["6-bit symmetric, one group per row", { bitWidth: 6, groupSize: -1 }, "Q6_K"],
    ["6-bit asymmetric", { bitWidth: 6, zero: "any" }, "Q8_0"],
    ["7-bit asymmetric", { bitWidth: 7, zero: "any" }, "Q8_0"],
    ["8-bit symmetric", { bitWidth: 8 }, "Q8_0"],
  ])("%s → %s", (_, changes, smallest) => {
    expect(exactTypes(factsOf(changes))[0]?.name).toBe(smallest);
  });

  test("8-bit asymmetric views fit no type, except when the codes stay near the zero points", () => {
    const view = makeView({ ...shape, bitWidth: 8, zero: "any" });
    const facts = viewFacts(view, 255);
    expect(exactTypes(facts)).toEqual([]);
    const near = { ...view, codes: view.codes.map((_, i) => view.zeros[Math.floor(i / 128)]! | (i & 15)) };
    expect(exactTypes(withMeasuredOffsets(facts, near)).map(({ name }) => name)).toEqual(["Q5_0", "Q8_0"]);
  });

  test("all 16 zero points of AWQ go into Q5_0", () => {
    const view = makeView({ ...shape, groupSize: 32, zero: "any" });
    const zeros = view.zeros.map((_, i) => i % 16);
    const every = { ...view, zeros };
    const blocks = new Uint8Array(blockRowsByteLength(viewTypeByName("Q5_0"), 3, 512));
    viewToBlocks(viewTypeByName("Q5_0"), every, blocks);
    expect(bits(decode(viewTypeByName("Q5_0"), blocks, 3 * 512))).toEqual(bits(viewValues(every)));
  });

  test("Q4_1 holds exactly those zero points whose product with the scale is an f16 value", () => {
    const zeros = makeView({ ...shape, zero: "any" });
    expect(typeMisfit(viewFacts(zeros, 15), viewTypeByName("Q4_1"))?.reason).toMatch(/one f16 number/);
    // small f16 significands leave room
    const scales = zeros.scales.map((_, i) => halfToFloat(floatToHalf((1 + (i % 8)) / 64)));
    const coarse = { ...zeros, scales };
    expect(typeMisfit(viewFacts(coarse, 15), viewTypeByName("Q4_1"))).toBeUndefined();
  });

  test("rotary row permutations of packed rows", () => {
    const view = makeView(shape);
    const order = [2, 0, 1];
    const permuted = selectRows(view, 3, (row) => order[row]!);
    const type = viewTypeByName("Q4_0");
    const rowBytes = blockRowsByteLength(type, 1, 512);
    const [plain, moved] = [new Uint8Array(3 * rowBytes), new Uint8Array(3 * rowBytes)];
    viewToBlocks(type, view, plain);
    viewToBlocks(type, permuted, moved);
    for (let row = 0; row < 3; row++) {
      const source = order[row]! * rowBytes;
      expect(moved.slice(row * rowBytes, (row + 1) * rowBytes)).toEqual(
        plain.slice(source, source + rowBytes),
      );
    }
  });
});

describe("reasons in words", () => {
  const base = makeView({ bitWidth: 4, groupSize: 128, columns: 512, zero: "any", negative: false, seed: 3 });
  const reason = (view: IntegerView, type: string, maxCode = 15): string | undefined =>
    typeMisfit(viewFacts(view, maxCode), viewTypeByName(type))?.reason;

  test.each<[string, IntegerView, string, string]>([
    [
      "act-order",
      { ...base, groupOfColumn: base.groupOfColumn.map((_, column) => column % 4) },
      "Q5_0",
      "act-order mixes groups inside each block of 32 columns",
    ],
    [
      "group",
      base,
      "Q4_K",
      "groups of 128 columns are smaller than the 256 columns that share a scale in Q4_K",
    ],
    ["range", base, "Q4_0", "codes minus zero points reach -15…15, and Q4_0 holds -8…7"],
    [
      "columns",
      makeView({ bitWidth: 4, groupSize: -1, columns: 48, zero: "middle", negative: false, seed: 1 }),
      "Q4_0",
      "rows of 48 columns are not whole blocks of 32 columns, which Q4_0 is made of",
    ],
    [
      "scales",
      { ...base, scales: base.scales.map((scale) => Math.fround(scale * 1.0001)) },
      "Q5_0",
      "some scales are not f16 values, and Q5_0 stores f16 scales",
    ],
    [
      "EXL2",
      { ...base, rounding: "f16" },
      "Q5_0",
      "each weight is rounded to f16 after its multiplication, which Q5_0 does not do",
    ],
    [
      "offset",
      base,
      "Q4_1",
      "Q4_1 stores scale × zero point as one f16 number, which must round some of them",
    ],
  ])("%s", (_, view, type, words) => {
    expect(reason(view, type)).toBe(words);
  });

  test("act-order with equal groups is no obstacle", () => {
    const view = {
      ...base,
      groupOfColumn: base.groupOfColumn.map((_, column) => column % 4),
      scales: base.scales.map((_, i) => base.scales[i - (i % 4)]!),
      zeros: base.zeros.map((_, i) => base.zeros[i - (i % 4)]!),
    };
    expect(reason(view, "Q4_K")).toBeUndefined();
  });

  test("ggml blocks whose minimums are not multiples of their scale are not integer views", () => {
    const bytes = new Uint8Array(20);
    new DataView(bytes.buffer).setUint16(0, floatToHalf(0.5), true);
    new DataView(bytes.buffer).setUint16(2, floatToHalf(-0.75), true);
    expect(integerView(blocksToView(viewTypeByName("Q4_1"), bytes, 1, 32)).misfit?.reason).toMatch(
      /no whole multiple/,
    );
  });

  test("types without a view are refused by name", () => {
    let caught: unknown;
    try {
      viewTypeByName("IQ4_NL");
    } catch (error) {
      caught = error;
    }
    expect(isCodecError(caught) && caught.code).toBe("UNSUPPORTED");
  });
});

/** The scales that each type stores, by their bytes. Sources: OCP Microscaling Formats 1.0; OCP 8-bit Floating Point 1.0. */
const SCALES: Readonly<Record<string, (byte: number) => number>> = {
  MXFP4: (byte) => 2 ** ((byte % 253) - 127),
  NVFP4: (byte) => E4M3_VALUES[byte % 0x7f]!,
};

describe("every type of levels", () => {
  test.each(tableTypes.map((type) => ({ name: type.name, type })))("$name keeps all codes", ({ type }) => {
    const { blockSize } = type.requirement;
    if (typeof blockSize !== "number") throw new Error("blocks have a size");
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 192, maxLength: 192 }), (bytes) => {
        const [rows, columns] = [3, 128];
        const codes = Uint8Array.from(
          { length: rows * columns },
          (_, i) => (bytes[i >> 1]! >> (4 * (i & 1))) & 15,
        );
        const groupCount = columns / blockSize;
        const values = Float32Array.from({ length: rows * groupCount }, (_, i) =>
          SCALES[type.name]!(bytes[i]!),
        );
        const span = {
          kind: "columns",
          groupCount,
          groupOfColumn: sequentialGroups(columns, blockSize),
        } as const;
        const view: LevelView = {
          rows,
          columns,
          codes,
          levels: E2M1_VALUES,
          factors: [{ values, span }],
          offset: { kind: "none" },
          rounding: "none",
        };
        const expected = new Float32Array(rows * columns);
        for (let i = 0; i < expected.length; i++) {
          expected[i] = E2M1_VALUES[codes[i]!]! * values[Math.floor(i / blockSize)]!;
        }
        const blocks = new Uint8Array(blockRowsByteLength(type, rows, columns));
        viewToBlocks(type, view, blocks);
        expect(bits(decode(type, blocks, rows * columns))).toEqual(bits(expected));
        const back = blocksToView(type, blocks, rows, columns);
        expect(back.codes).toEqual(codes);
        const again = new Uint8Array(blocks.length);
        // ggml has no −0, so the code of −0 becomes that of 0 on the way back
        viewToBlocks(type, back, again);
        expect(bits(decode(type, again, rows * columns))).toEqual(bits(expected));
      }),
      { numRuns: 200 },
    );
  });

  test("refuse other levels and other scales, with the reason", () => {
    const mxfp4 = viewTypes.find(({ name }) => name === "MXFP4")!;
    const view = (code: number, scale: number): IntegerView => ({
      rows: 1,
      columns: 32,
      groupCount: 1,
      groupOfColumn: new Int32Array(32),
      codes: new Uint8Array(32).fill(code),
      scales: Float32Array.of(scale),
      zeros: Int16Array.of(0),
      rounding: "none",
    });
    expect(fitView(view(12, 0.5), mxfp4.requirement).misfit).toBeUndefined();
    expect(fitView(view(5, 0.5), mxfp4.requirement).misfit?.reason).toMatch(/not all levels of E2M1/);
    expect(fitView(view(12, 0.75), mxfp4.requirement).misfit?.reason).toMatch(/no e8m0 value/);
  });
});

import { readFileSync } from "node:fs";
import { BF16, F16 } from "@requant/core";
import { ggmlTypeByName } from "@requant/gguf";
import { describe, expect, it } from "vitest";
import {
  countFidelities,
  type Fidelity,
  fidelities,
  fidelityOf,
  isLossless,
} from "../../src/plan/fidelity.ts";

const FLOATS = ["F64", "F32", "BF16", "F16", "F8_E4M3", "F8_E5M2"] as const;

describe("fidelity table", () => {
  // independent oracle: IEEE 754 and the OCP 8-bit float specification, by hand
  const expected: Record<string, Record<string, Fidelity>> = {
    F64: { F64: "copy", F32: "rounded", BF16: "rounded", F16: "rounded" },
    F32: { F64: "exact", F32: "copy", BF16: "rounded", F16: "rounded" },
    BF16: { F64: "exact", F32: "exact", BF16: "copy", F16: "rounded" },
    F16: { F64: "exact", F32: "exact", BF16: "rounded", F16: "copy" },
    F8_E4M3: { F64: "exact", F32: "exact", BF16: "exact", F16: "exact" },
    F8_E5M2: { F64: "exact", F32: "exact", BF16: "exact", F16: "exact" },
  };
  for (const from of FLOATS) {
    for (const to of ["F64", "F32", "BF16", "F16"]) {
      it(`${from} → ${to}`, () => expect(fidelityOf(from, to)).toBe(expected[from]?.[to]));
    }
    it(`${from} → Q8_0`, () => expect(fidelityOf(from, "Q8_0")).toBe("requantized"));
  }

  it.each([
    ["Q8_0", "F32", "exact"],
    ["Q8_0", "F16", "float"],
    ["Q4_K", "BF16", "float"],
    ["Q4_K", "Q4_K", "copy"],
    ["Q4_K", "Q8_0", "requantized"],
    ["I32", "I32", "copy"],
    ["I8", "F16", "exact"],
    ["I32", "F32", "rounded"],
  ] as const)("%s → %s is %s", (from, to, fidelity) => expect(fidelityOf(from, to)).toBe(fidelity));

  it("keeps the bytes of whole rows in another order, also of block types", () => {
    expect(fidelityOf("Q4_0", "Q4_0", { wholeRows: true, mapped: false })).toBe("copy");
    expect(fidelityOf("Q4_0", "Q4_0", { wholeRows: false, mapped: false })).toBe("requantized");
    expect(fidelityOf("F16", "F16", { wholeRows: false, mapped: false })).toBe("exact");
  });

  it("counts a value map as rounding", () => {
    expect(fidelityOf("BF16", "F32", { wholeRows: true, mapped: true })).toBe("rounded");
    expect(fidelityOf("F32", "F32", { wholeRows: true, mapped: true })).toBe("rounded");
  });

  it("refuses integers as targets", () => {
    expect(() => fidelityOf("F32", "I32")).toThrow(expect.objectContaining({ code: "CONVERSION" }));
  });

  it("calls copy and exact lossless, nothing else", () => {
    expect(fidelities.filter(isLossless)).toEqual(["copy", "exact"]);
  });

  it("counts all five", () => {
    expect(countFidelities([{ fidelity: "copy" }, { fidelity: "float" }, { fidelity: "copy" }])).toEqual({
      copy: 2,
      exact: 0,
      rounded: 0,
      requantized: 0,
      float: 1,
    });
  });
});

describe("block types whose values a 16-bit float always holds", () => {
  const folder = new URL("../../../gguf/test/vectors/types/", import.meta.url);

  it.each([
    ["MXFP4", "mxfp4", BF16],
    ["NVFP4", "nvfp4", F16],
    ["NVFP4", "nvfp4", BF16],
    ["Q1_0", "q1_0", F16],
    ["TQ1_0", "tq1_0", F16],
  ])("%s, vectors %s", (name, file, float) => {
    expect(fidelityOf(name, float.name)).toBe("exact");
    const { codec, blockSize, blockByteLength } = ggmlTypeByName(name);
    // random bytes for which ggml gives the values that the codec's own tests check
    const bytes = new Uint8Array(readFileSync(new URL(`${file}.rand.bin`, folder)));
    const values = new Float32Array((bytes.length / blockByteLength) * blockSize);
    codec?.dequantize(bytes, values);
    const halves = new Uint8Array(2 * values.length);
    float.quantize?.(values, values.length, halves);
    const back = new Float32Array(values.length);
    float.dequantize(halves, back);
    // Object.is: −0 and NaN count
    expect(back.every((value, i) => Object.is(value, values[i]))).toBe(true);
  });

  it("but MXFP4 in F16 depends on its exponents, and Q4_0 on its scales", () => {
    expect(fidelityOf("MXFP4", "F16")).toBe("float");
    expect(fidelityOf("Q4_0", "F16")).toBe("float");
  });
});

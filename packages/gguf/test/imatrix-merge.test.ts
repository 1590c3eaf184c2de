/** Merging importance matrices. Oracle: sums and counts written out. */
import { describe, expect, it } from "vitest";
import { type Imatrix, mergeImatrices } from "../src/index.ts";

const matrix = (form: "gguf" | "dat", sums: number[], counts: number[], chunkCount = 1): Imatrix => ({
  form,
  entries: new Map([["blk.0.ffn_up_exps.weight", { sums: Float32Array.from(sums), counts }]]),
  datasets: [`${form}.txt`],
  chunkCount,
  chunkSize: form === "dat" ? 0 : 4,
});

describe("mergeImatrices", () => {
  it("adds sums and counts of each expert", () => {
    const merged = mergeImatrices([
      matrix("gguf", [1, 2, 3, 4], [5, 0], 2),
      matrix("gguf", [10, 20, 30, 40], [1, 7]),
    ]);
    expect(merged).toMatchObject({
      form: "gguf",
      chunkCount: 3,
      chunkSize: 4,
      datasets: ["gguf.txt", "gguf.txt"],
    });
    const entry = merged.entries.get("blk.0.ffn_up_exps.weight");
    expect(Array.from(entry?.sums ?? [])).toEqual([11, 22, 33, 44]);
    expect(entry?.counts).toEqual([6, 7]);
  });

  it.each([[false], [true]])(
    "a .dat file counts calls for all experts at once; it comes first: %s",
    (first) => {
      const both = [matrix("gguf", [1, 2, 3, 4], [5, 1]), matrix("dat", [1, 1, 2, 2], [3])];
      const merged = mergeImatrices(first ? both.reverse() : both, 8);
      const entry = merged.entries.get("blk.0.ffn_up_exps.weight");
      // one call of 8 tokens
      expect(Array.from(entry?.sums ?? [])).toEqual([9, 10, 19, 20]);
      expect(entry?.counts).toEqual([29, 25]);
    },
  );

  it("refuses matrices of other sizes", () => {
    const both = [matrix("gguf", [1, 2], [1]), matrix("gguf", [1, 2, 3], [1])];
    expect(() => mergeImatrices(both)).toThrow(/not of the same model: one has 2 columns, another 3/);
  });
});

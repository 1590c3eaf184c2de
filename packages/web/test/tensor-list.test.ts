import { describe, expect, it } from "vitest";
import { filterTexts, matchingRows } from "../src/ui/row-filter.ts";
import { byOrder } from "../src/ui/row-order.ts";
import { columns, filterText, type Tensor } from "../src/views/tensor-list.ts";

function tensorNamed(name: string, byteLength = 4): Tensor {
  return { name, shape: [1], encoding: "F32", byteOffset: 0, byteLength, file: "model.gguf" };
}

const namesOf = (tensors: readonly Tensor[]): string[] => tensors.map(({ name }) => name);

describe("the list of tensors", () => {
  it("puts layer 2 before layer 10", () => {
    const tensors = ["blk.10.b", "blk.2.b", "a", "blk.2.a"].map((name) => tensorNamed(name));
    const sorted = byOrder(tensors, columns, { column: "name", descending: false });
    const texts = filterTexts(tensors, filterText);
    expect(namesOf(matchingRows(sorted, texts, ""))).toEqual(["a", "blk.2.a", "blk.2.b", "blk.10.b"]);
    expect(namesOf(matchingRows(sorted, texts, "BLK b"))).toEqual(["blk.2.a", "blk.2.b", "blk.10.b"]);
  });

  it("leaves equal rows in the order of the file", () => {
    const tensors = [tensorNamed("b", 8), tensorNamed("c", 4), tensorNamed("a", 8)];
    const sorted = byOrder(tensors, columns, { column: "byteLength", descending: true });
    expect(namesOf(sorted)).toEqual(["b", "a", "c"]);
  });

  it("puts what has no number after all numbers", () => {
    const sizes = [2, Number.NaN, 1, Number.POSITIVE_INFINITY, Number.NaN, 3];
    const tensors = sizes.map((size, index) => tensorNamed(String(index), size));
    const sorted = byOrder(tensors, columns, { column: "byteLength", descending: false });
    expect(namesOf(sorted)).toEqual(["2", "0", "5", "1", "3", "4"]);
  });

  it("looks at each of 100,000 tensors once to sort them, and not at all to filter them", () => {
    let looks = 0;
    const tensors = Array.from({ length: 100_000 }, (_, index): Tensor => {
      const plain = tensorNamed("");
      return {
        ...plain,
        get name() {
          looks += 1;
          return `blk.${String((index * 7919) % 100_000)}.weight`;
        },
      };
    });
    const texts = filterTexts(tensors, filterText);
    looks = 0;
    const sorted = byOrder(tensors, columns, { column: "name", descending: false });
    expect(looks).toBe(tensors.length);
    expect(matchingRows(sorted, texts, "blk.77")).toHaveLength(1111);
    expect(looks).toBe(tensors.length);
  });
});

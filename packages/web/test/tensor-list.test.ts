import { describe, expect, it } from "vitest";
import { byOrder } from "../src/ui/row-order.ts";
import { columns, filterTexts, matchingTensors, type Tensor } from "../src/views/tensor-list.ts";

function tensorNamed(name: string, byteLength = 4): Tensor {
  return { name, shape: [1], encoding: "F32", byteOffset: 0, byteLength, file: "model.gguf" };
}

const namesOf = (tensors: readonly Tensor[]): string[] => tensors.map(({ name }) => name);

describe("the list of tensors", () => {
  it("puts layer 2 before layer 10", () => {
    const tensors = ["blk.10.b", "blk.2.b", "a", "blk.2.a"].map((name) => tensorNamed(name));
    const sorted = byOrder(tensors, columns, { column: "name", descending: false });
    const texts = filterTexts(tensors);
    expect(namesOf(matchingTensors(sorted, texts, ""))).toEqual(["a", "blk.2.a", "blk.2.b", "blk.10.b"]);
    expect(namesOf(matchingTensors(sorted, texts, "BLK b"))).toEqual(["blk.2.a", "blk.2.b", "blk.10.b"]);
  });

  it("leaves equal rows in the order of the file", () => {
    const tensors = [tensorNamed("b", 8), tensorNamed("c", 4), tensorNamed("a", 8)];
    const sorted = byOrder(tensors, columns, { column: "byteLength", descending: true });
    expect(namesOf(sorted)).toEqual(["b", "a", "c"]);
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
    const texts = filterTexts(tensors);
    looks = 0;
    const sorted = byOrder(tensors, columns, { column: "name", descending: false });
    expect(looks).toBe(tensors.length);
    expect(matchingTensors(sorted, texts, "blk.77")).toHaveLength(1111);
    expect(looks).toBe(tensors.length);
  });
});

import { describe, expect, it } from "vitest";
import { columns, entriesOf, matchingTensors, sortedEntries, type Tensor } from "../src/views/tensor-list.ts";

function tensorNamed(name: string, byteLength = 4): Tensor {
  return { name, shape: [1], encoding: "F32", byteOffset: 0, byteLength, file: "model.gguf" };
}

const namesOf = (tensors: readonly Tensor[]): string[] => tensors.map(({ name }) => name);

describe("the list of tensors", () => {
  it("puts layer 2 before layer 10", () => {
    const entries = entriesOf(["blk.10.b", "blk.2.b", "a", "blk.2.a"].map((name) => tensorNamed(name)));
    const sorted = sortedEntries(entries, { column: "name", descending: false });
    expect(namesOf(matchingTensors(sorted, ""))).toEqual(["a", "blk.2.a", "blk.2.b", "blk.10.b"]);
    expect(namesOf(matchingTensors(sorted, "BLK b"))).toEqual(["blk.2.a", "blk.2.b", "blk.10.b"]);
  });

  it("leaves equal rows in the order of the file", () => {
    const entries = entriesOf([tensorNamed("b", 8), tensorNamed("c", 4), tensorNamed("a", 8)]);
    const sorted = sortedEntries(entries, { column: "byteLength", descending: true });
    expect(namesOf(matchingTensors(sorted, ""))).toEqual(["b", "a", "c"]);
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
    const entries = entriesOf(tensors);
    looks = 0;
    const sorted = sortedEntries(entries, { column: "name", descending: false });
    expect(looks).toBe(tensors.length);
    expect(matchingTensors(sorted, "blk.77")).toHaveLength(1111);
    expect(looks).toBe(tensors.length);
    expect(columns.name.text(tensorNamed("x"))).toBe("x");
  });
});

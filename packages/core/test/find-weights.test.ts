/** How a format finds its weights by the suffixes of its parts. Oracle: the names in this file. */
import type { TensorInfo } from "@requant/core";
import { findBySuffixes } from "@requant/core/format";
import { describe, expect, it } from "vitest";

const tensor = (name: string): TensorInfo => ({
  name,
  encoding: "U8",
  shape: [2, 3],
  byteOffset: 0,
  byteLength: 6,
});

/** Module, suffixes and whether it is a weight: all parts must be there. */
function found(names: readonly string[], suffixes: readonly string[]): [string, string[], boolean][] {
  const isWhole = (parts: readonly unknown[]): boolean => parts.length === suffixes.length;
  return findBySuffixes(names.map(tensor), suffixes, isWhole).map(({ module, parts, isWeight }) => [
    module,
    parts.map(({ suffix }) => suffix),
    isWeight,
  ]);
}

describe("findBySuffixes", () => {
  it("groups parts by module, in the order of the tensors, and leaves other names alone", () => {
    const names = ["a.q.codes", "a.norm.weight", "b.q.scale", "a.q.scale", "codes", ".codes", "a.q.bias"];
    expect(found(names, ["codes", "scale"])).toEqual([
      ["a.q", ["codes", "scale"], true],
      ["b.q", ["scale"], false],
    ]);
  });

  it("finds parts named `weight`, and parts whose suffixes have dots", () => {
    const names = ["a.q.weight", "a.q.weight.absmax", "a.q.weight.state.kind", "a.absmax", "a.norm.weight"];
    expect(found(names, ["weight", "weight.absmax", "weight.state.kind"])).toEqual([
      ["a.q", ["weight", "weight.absmax", "weight.state.kind"], true],
      ["a.norm", ["weight"], false],
    ]);
  });

  it("takes the shortest of two suffixes that a name ends with", () => {
    expect(found(["a.weight.scale"], ["scale", "weight.scale"])).toEqual([["a.weight", ["scale"], false]]);
  });

  it("keeps the header's facts of a part", () => {
    expect(findBySuffixes([tensor("a.codes")], ["codes"], () => true)[0]?.parts).toEqual([
      { suffix: "codes", name: "a.codes", encoding: "U8", shape: [2, 3], byteLength: 6 },
    ]);
  });
});

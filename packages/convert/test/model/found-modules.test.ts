/** Which format reads a module that several of them know. Oracle: formats and names that are written down here. */
import { FormatError } from "@requant/core";
import { findBySuffixes, type WeightFormat } from "@requant/core/format";
import { describe, expect, it } from "vitest";
import { claimParts, foundModules } from "../../src/model/found-modules.ts";
import type { ModelTensor } from "../../src/model/model.ts";

/** A format that has a weight where all of `required` are there. */
function format(name: string, suffixes: readonly string[], required = suffixes): WeightFormat {
  return {
    name,
    methods: [],
    configKeys: [],
    find: (tensors) =>
      findBySuffixes(tensors, suffixes, (parts) =>
        required.every((one) => parts.some(({ suffix }) => suffix === one)),
      ),
    reader() {
      throw new Error("nothing is read here");
    },
  };
}

/** Codes under the weight's own name, as 4-bit floats and 8-bit floats have them. */
const owning = format("owning", ["weight", "scale"]);
const special = format("special", ["codes", "zeros"]);
const general = format("general", ["codes", "order", "zeros"], ["codes"]);
/** Parts that stand one level below the module. */
const deep = format("deep", ["weight.codes"]);

const stored = (names: readonly string[]): ModelTensor[] =>
  names.map((name, index) => ({
    name,
    encoding: "U8",
    shape: [1],
    byteOffset: index,
    byteLength: 1,
    file: "m",
  }));

function modules(names: readonly string[], formats: readonly WeightFormat[]): [string, string, number][] {
  return foundModules(stored(names), formats, undefined).map((one) => [one.name, one.format.name, one.index]);
}

/** As opening a model does it. */
function claimAll(names: readonly string[], formats: readonly WeightFormat[]): void {
  const owners = new Map<string, string>();
  for (const module of foundModules(stored(names), formats, undefined)) {
    claimParts(module, new Set(names), owners, { tensor: module.name });
  }
}

describe("the modules of several formats", () => {
  it("belong to the first format of the list, in the order of their tensors", () => {
    const names = ["b.codes", "a.codes", "a.zeros", "c.weight", "c.scale", "d.weight"];
    expect(modules(names, [owning, special, general])).toEqual([
      ["b", "general", 0],
      ["a", "special", 1],
      ["c", "owning", 3],
    ]);
    expect(() => claimAll(names, [owning, special, general])).not.toThrow();
  });

  it.each<[string, readonly string[], readonly WeightFormat[], RegExp]>([
    [
      "a part that only another format knows",
      ["a.codes", "a.zeros", "a.order"],
      [special, general],
      /The module has parts of several formats: codes, zeros, order/,
    ],
    [
      "a part that is not enough for the other format",
      ["a.codes", "a.scale"],
      [owning, general],
      /The module has parts of several formats: codes, scale/,
    ],
    [
      "a float weight beside packed parts",
      ["a.codes", "a.weight"],
      [owning, general],
      /The module has both a float weight and packed parts \(codes\)/,
    ],
    [
      "a tensor that two modules have",
      ["a.weight.codes"],
      [deep, general],
      /The tensor a\.weight\.codes is a part of two weights: a and a\.weight/,
    ],
  ])("are refused for %s", (_, names, formats, said) => {
    expect(() => claimAll(names, formats)).toThrow(FormatError);
    expect(() => claimAll(names, formats)).toThrow(said);
  });
});

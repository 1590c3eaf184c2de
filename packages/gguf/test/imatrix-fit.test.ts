/** Entries of an importance matrix for tensors of one expert and of all: llama.cpp has written both forms. */
import { describe, expect, test } from "vitest";
import { chooseTypes, importanceOf, type RecipeFacts, type RecipeTensor } from "../src/index.ts";

const COLUMNS = 256;
const facts: RecipeFacts = {
  architecture: "llama",
  layerCount: 1,
  headCount: 4,
  keyValueHeadCount: 4,
  expertCount: 3,
};
const experts = [0, 1, 2];
const split: readonly RecipeTensor[] = experts.map((expert) => ({
  name: `blk.0.ffn_up.${expert}.weight`,
  shape: [64, COLUMNS],
  encoding: "F16",
}));
const merged: RecipeTensor = { name: "blk.0.ffn_up_exps.weight", shape: [3, 64, COLUMNS], encoding: "F16" };
/** Expert after expert: 0, 1, 2 in each of its columns. */
const all = Float32Array.from({ length: 3 * COLUMNS }, (_, i) => Math.floor(i / COLUMNS));
const mergedEntry = new Map([[merged.name, all]]);
const splitEntries = new Map(
  split.map(({ name }, expert) => [name, all.slice(expert * COLUMNS, (expert + 1) * COLUMNS)]),
);

const choices = (tensors: readonly RecipeTensor[], imatrix: ReadonlyMap<string, Float32Array>) =>
  chooseTypes({ target: "Q4_K_S", facts, tensors, imatrix });

describe("experts", () => {
  test("one expert takes its share of the entry of all", () => {
    const made = choices(split, mergedEntry);
    expect(made.tensors.map(({ importance }) => importance)).toEqual(split.map(({ name }) => name));
    expect(made.findings).toEqual([]);
    for (const [expert, { name, shape }] of split.entries()) {
      expect(importanceOf(mergedEntry, name, shape)).toEqual(new Float32Array(COLUMNS).fill(expert));
    }
  });

  test("all experts take the entries of each, in order", () => {
    const made = choices([merged], splitEntries);
    expect(made.tensors[0]?.importance).toBe(merged.name);
    expect(made.findings).toEqual([]);
    expect(importanceOf(splitEntries, merged.name, merged.shape)).toEqual(all);
  });

  test("an entry of other experts is named, not cut to fit", () => {
    const four = new Map([[merged.name, new Float32Array(3 * COLUMNS + 1)], ...splitEntries]);
    expect(choices(split, four).findings).toMatchObject([
      {
        code: "not-used",
        message:
          "1 of 4 entries of the importance matrix fits no tensor of the model: blk.0.ffn_up_exps.weight.",
      },
    ]);
    const [first, second] = [...splitEntries];
    const two = new Map([first, second].flatMap((entry) => (entry === undefined ? [] : [entry])));
    expect(() => choices([merged], two)).toThrow(
      "The importance matrix has 512 weights for blk.0.ffn_up_exps.weight, which needs 768.",
    );
  });
});

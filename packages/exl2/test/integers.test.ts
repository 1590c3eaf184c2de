import {
  exl2Codec,
  exl2Groups,
  exl2HeadRecipes,
  packExl2,
  recipeBits,
  recipeGroups,
  unpackExl2,
} from "@requant/exl2";
import { describe, expect, test } from "vitest";
import { goldenLinear, linearCases, vectorFolder } from "../../../fixtures/linear-cases.ts";

function suite(folder: string): void {
  const cases = linearCases(folder, "manifest.json", /^exl2$/);

  test.each(cases.map((entry) => ({ name: entry.file, entry })))("$name", ({ entry: { facts, tensors } }) => {
    const stored = [...tensors].filter(([name]) => exl2Codec.suffixes.includes(name));
    const parts = stored.map(([suffix, { encoding, shape }]) => ({ suffix, encoding, shape }));
    const bytes = Object.fromEntries(stored.map(([suffix, tensor]) => [suffix, tensor.bytes]));
    const [rows, columns] = [Number(facts["out_features"]), Number(facts["in_features"])];
    const layout = exl2Codec.readLayout(parts, { rows });

    const groupsOfFile = exl2Groups(layout, bytes);
    expect(groupsOfFile.flatMap(({ bits, wordStart }) => [bits, wordStart])).toEqual(facts["q_groups"]);

    // unpacking and packing reproduces the stored bytes, padding included
    const packed = packExl2(unpackExl2(layout, bytes));
    expect(packed.layout).toEqual(layout);
    expect(packed.bytes).toEqual(bytes);

    // exllamav2 would make the same groups from its own options, and count the same bits
    const params = facts["qparams"] as {
      group_size: Record<string, number>;
      bits: number[];
      bits_prop: number[];
    };
    const recipe = {
      widths: params.bits.map((bits, i) => ({
        bits,
        share: params.bits_prop[i] ?? 0,
        groupSize: params.group_size[bits] ?? 0,
      })),
    };
    let word = 0;
    const groups = recipeGroups(recipe, columns).flatMap(({ bits, rows: size }) => {
      const start = word;
      word += (size * bits) / 32;
      return [bits, start];
    });
    expect(groups).toEqual(facts["q_groups"]);
    if (rows % 32 === 0) expect(recipeBits(recipe, rows, columns)).toBe(facts["total_bits"]);
  });

  const heads = cases.filter(({ file }) => /head\d/.test(file));
  test.each(heads.map((entry) => ({ name: entry.file, entry })))(
    "recipe of $name",
    ({ entry: { file, facts } }) => {
      const params = facts["qparams"] as {
        group_size: Record<string, number>;
        bits: number[];
        bits_prop: number[];
      };
      const recipe = exl2HeadRecipes[Number(/head(\d)/.exec(file)?.[1])];
      expect(recipe?.widths.map(({ bits }) => bits)).toEqual(params.bits);
      recipe?.widths.forEach(({ share }, i) => {
        expect(share).toBeCloseTo(params.bits_prop[i] ?? 0, 9);
      });
      expect(recipe?.widths.map(({ groupSize }) => groupSize)).toEqual(
        params.bits.map((bits) => params.group_size[bits]),
      );
    },
  );
}

describe("integers of layers packed by exllamav2, in this package", () =>
  suite(vectorFolder(import.meta.url)));

const golden = goldenLinear();
describe.skipIf(golden === undefined)("the whole golden set (skipped: REQUANT_GOLDEN is not set)", () => {
  if (golden !== undefined) suite(golden);
});

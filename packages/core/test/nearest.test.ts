import { didYouMean, nearest } from "@requant/core/text";
import { describe, expect, it } from "vitest";

const commands = ["inspect", "convert", "plan", "verify", "hash", "name"];

describe("the nearest word", () => {
  it.each([
    ["inspct", ["inspect"]],
    ["CONVRET", ["convert"]],
    ["verfiy", ["verify"]],
    ["plna", ["plan"]],
    ["xyz", []],
    ["lpan", ["plan"]],
    ["", []],
    ["a".repeat(100_000), []],
  ])("%s is near %j", (word, found) => {
    expect(nearest(word, commands)).toEqual(found);
  });

  it.each([
    ["q4_k_n", ["q4_k_m", "q4_k_s"]],
    ["q9_9", ["q8_0"]],
    ["iq4xs", ["iq4_xs"]],
  ])("%s is near %j: digits are near to digits", (word, found) => {
    expect(nearest(word, ["q4_0", "q4_k_m", "q4_k_s", "q5_1", "q8_0", "iq4_xs"])).toEqual(found);
  });

  it("is asked for as a question, or not at all", () => {
    expect(didYouMean("nsme", commands)).toBe(" Did you mean name?");
    expect(didYouMean("frobnicate", commands)).toBe("");
  });
});

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
    ["", []],
    ["a".repeat(100_000), []],
  ])("%s is near %j", (word, found) => {
    expect(nearest(word, commands)).toEqual(found);
  });

  it("is asked for as a question, or not at all", () => {
    expect(didYouMean("nsme", commands)).toBe(" Did you mean name?");
    expect(didYouMean("frobnicate", commands)).toBe("");
  });
});

import {
  bitsWord,
  exampleSpellings,
  groupSizeWord,
  parseWords,
  searchSettings,
  shortSpellings,
  symWord,
  type WordSpec,
} from "@requant/core/format";
import { describe, expect, it } from "vitest";

const linear = [bitsWord(2, 8), groupSizeWord, symWord];
const average: readonly WordSpec[] = [
  {
    key: "bits",
    about: "Bits per weight.",
    words: { kind: "number", suffix: "bpw", least: 2, most: 8.5, decimals: 3 },
    required: true,
    examples: [4, 4.25],
  },
  {
    key: "headBits",
    about: "Bits of the head.",
    words: { kind: "choice", values: { h6: 6, h8: 8 } },
    default: 6,
    examples: [6],
  },
];

describe("words that a target does not have", () => {
  it.each<[readonly WordSpec[], string, string]>([
    [linear, "9bit", '"9bit" is out of range: bits is 2bit … 8bit.'],
    [
      average,
      "-1bpw",
      '"-1bpw" is out of range: bits is 2bpw … 8.5bpw, with at most 3 digits after the point.',
    ],
    [
      average,
      "9.5bpw",
      '"9.5bpw" is out of range: bits is 2bpw … 8.5bpw, with at most 3 digits after the point.',
    ],
    [
      average,
      "4.12345bpw",
      '"4.12345bpw" is out of range: bits is 2bpw … 8.5bpw, with at most 3 digits after the point.',
    ],
    [average, "4.0", '"4.0" is not a word of this target. Did you mean 4.0bpw?'],
    [linear, "4", '"4" is not a word of this target. Did you mean 4bit or 4g?'],
    [linear, "4bit-128g-assym", '"assym" is not a word of this target. Did you mean asym?'],
    [linear, "4bits", '"4bits" is not a word of this target. Did you mean 4bit?'],
    [linear, "nonsense", '"nonsense" is not a word of this target.'],
    [average, "h6", "The target does not say the bits."],
  ])("%#: %s", (specs, text, message) => {
    expect(() => parseWords(specs, text)).toThrow(
      expect.objectContaining({ code: "USAGE", message, hint: expect.stringMatching(/\.$/) }),
    );
  });

  it("are few in the examples of messages", () => {
    expect(shortSpellings(linear)).toEqual([2, 3, 4, 5, 6, 7, 8].map((bits) => `${bits}bit-128g-sym`));
    expect(shortSpellings(average)).toEqual(["4bpw-h6", "4.25bpw-h6"]);
  });
});

describe("a word that stands alone", () => {
  const scheme: WordSpec = {
    key: "scheme",
    about: "A whole scheme.",
    words: { kind: "choice", values: { w8a8: "w8a8", nvfp4: "nvfp4" } },
    alone: true,
    examples: ["w8a8", "nvfp4"],
    search: "examples",
  };
  const specs = [...linear, scheme];

  it("sets nothing else, not even defaults", () => {
    expect(parseWords(specs, "nvfp4")).toEqual({ scheme: "nvfp4" });
    expect(parseWords(specs, "4bit")).toEqual({ bits: 4, groupSize: 128, sym: true });
  });

  it.each(["nvfp4-4bit", "4bit-nvfp4", "nvfp4-sym"])("is refused beside another: %s", (text) => {
    expect(() => parseWords(specs, text)).toThrow(
      expect.objectContaining({
        code: "USAGE",
        message: `No other word can stand beside nvfp4: ${text}.`,
        hint: "Write nvfp4 alone, or leave it out.",
      }),
    );
  });

  it("is listed by itself", () => {
    expect(exampleSpellings(specs).filter((text) => /w8a8|nvfp4/.test(text))).toEqual(["w8a8", "nvfp4"]);
    expect(shortSpellings(specs).slice(-2)).toEqual(["w8a8", "nvfp4"]);
    expect(searchSettings(specs, 32).slice(-2)).toEqual([{ scheme: "w8a8" }, { scheme: "nvfp4" }]);
    expect(exampleSpellings([scheme])).toEqual(["w8a8", "nvfp4"]);
  });
});

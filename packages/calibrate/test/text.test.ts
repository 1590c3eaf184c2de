/** Text to windows. Oracles: counts by llama-tokenize in golden/kjv, and windows counted by hand. */
import { readFileSync } from "node:fs";
import { bosOf, openTokenizer, textWindows } from "@requant/calibrate";
import type { Metadata, MetadataValue } from "@requant/core";
import { describe, expect, it } from "vitest";

const golden = process.env["REQUANT_GOLDEN"];
const text = (value: string): MetadataValue => ({ type: "string", value });
const counted = (length: number): Int32Array => Int32Array.from({ length }, (_, i) => 100 + i);

describe("windows", () => {
  it("are whole and consecutive, and a rest is left out", () => {
    const windows = textWindows(counted(11), { window: 3 });
    expect(windows.map((window) => [...window])).toEqual([
      [100, 101, 102],
      [103, 104, 105],
      [106, 107, 108],
    ]);
    expect(textWindows(counted(11), { window: 3, chunks: 2 })).toEqual(windows.slice(0, 2));
  });

  it("begin with BOS in the place of their first token, and the text itself begins with it, too", () => {
    const windows = textWindows(counted(9), { window: 3, bos: 7 });
    expect(windows.map((window) => [...window])).toEqual([
      [7, 100, 101],
      [7, 103, 104],
      [7, 106, 107],
    ]);
  });

  it("are spread over the text, the same for a seed", () => {
    const starts = (samples: number, seed?: number): number[] =>
      textWindows(counted(40), { window: 4, samples, seed }).map((window) => ((window[0] ?? 0) - 100) / 4);
    expect(starts(4)).toEqual([0, 2, 5, 7]);
    expect(starts(10)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const seed of [1, 2, 3]) {
      const chosen = starts(4, seed);
      expect(chosen).toEqual(starts(4, seed));
      for (const [run, [first, end]] of [
        [0, 2],
        [2, 5],
        [5, 7],
        [7, 10],
      ].entries()) {
        expect(chosen[run]).toBeGreaterThanOrEqual(first ?? 0);
        expect(chosen[run]).toBeLessThan(end ?? 0);
      }
    }
    expect(new Set([1, 2, 3, 4, 5, 6].map((seed) => starts(4, seed).join())).size).toBeGreaterThan(1);
  });

  it("of a text that is too short are refused with the number of tokens", () => {
    expect(() => textWindows(counted(511), { window: 256 })).toThrow(
      "The text has 511 tokens, and at least 512 are needed: 2 windows of 256.",
    );
    expect(() => textWindows(counted(600), { window: 200, samples: 4 })).toThrow(
      "The text has 3 windows of 200 tokens; 4 were asked for.",
    );
    expect(() => textWindows(counted(600), { window: 0 })).toThrow("`window` is 0");
    expect(() => textWindows(counted(600), { window: 2, samples: 1, chunks: 1 })).toThrow(
      "`samples` and `chunks`",
    );
  });
});

describe("BOS", () => {
  const of = (entries: Readonly<Record<string, MetadataValue>>): number | undefined => {
    const metadata: Metadata = new Map(
      Object.entries(entries).map(([key, value]) => [`tokenizer.ggml.${key}`, value]),
    );
    return bosOf(metadata);
  };
  const id: MetadataValue = { type: "u32", value: 5 };

  it("follows add_bos_token, and llama.cpp's defaults where it is not there", () => {
    expect(of({ model: text("llama") })).toBe(1);
    expect(of({ model: text("llama"), bos_token_id: id })).toBe(5);
    expect(of({ model: text("llama"), add_bos_token: { type: "bool", value: false } })).toBeUndefined();
    expect(of({ model: text("gpt2"), pre: text("gpt-2"), bos_token_id: id })).toBeUndefined();
    expect(of({ model: text("gpt2"), pre: text("llama-bpe"), bos_token_id: id })).toBe(5);
    expect(of({ model: text("gpt2"), add_bos_token: { type: "bool", value: true }, bos_token_id: id })).toBe(
      5,
    );
  });
});

describe("a tokenizer", () => {
  it("that is not JSON, or of an unknown kind, is refused", () => {
    const bytes = (json: string): Uint8Array => new TextEncoder().encode(json);
    expect(() => openTokenizer({ tokenizer: bytes("[1") })).toThrow("The file is not a JSON object.");
    expect(() => openTokenizer({ tokenizer: bytes('{"model":{"type":"Unheard"}}') })).toThrow(
      "This tokenizer cannot be used to tokenize text.",
    );
  });

  it.skipIf(golden === undefined)("gives the ids of llama-tokenize for kjv (needs REQUANT_GOLDEN)", () => {
    const read = (name: string): Uint8Array => readFileSync(`${golden}/kjv/${name}`);
    const tokenizer = openTokenizer({
      tokenizer: read("hf/tokenizer.json"),
      config: read("hf/tokenizer_config.json"),
    });
    const ids = (name: string): Int32Array => tokenizer.encode(new TextDecoder().decode(read(name)));
    // golden/kjv/README.md
    expect(ids("heldout.txt").length).toBe(19080);
    expect(textWindows(ids("heldout.txt"), { window: 256 }).length).toBe(74);
    expect(textWindows(ids("gguf/imatrix_calib.txt"), { window: 256 }).length).toBe(52);
  });
});

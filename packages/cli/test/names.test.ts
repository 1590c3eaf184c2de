/** What `requant name` says of models' names. Oracle: how people name what they publish; for targets, their own spelling. */
import { listTargets, parseTarget } from "@requant/convert";
import { describe, expect, it } from "vitest";
import { requant } from "./run.ts";

const unwrapped = (text: string): string => text.replace(/\s+/g, " ");
/** Formats that are the ending of a file. */
const FILES: readonly string[] = ["gguf", "safetensors"];

describe("names", () => {
  it.each([
    ["Llama-3-8B-GPTQ-9bit", undefined],
    ["Foo-9.5bpw-exl2", undefined],
    ["Foo-AWQ-3bit", undefined],
    ["Foo-exl2", undefined],
    ["Foo-Q9_K.gguf", undefined],
    ...[2, 3, 4, 5, 6, 7, 8].map((bits) => [`Foo-GPTQ-${bits}bit-32g`, `gptq:${bits}bit-32g-sym`] as const),
    ["Foo-GPTQ-Int4", "gptq:4bit-128g-sym"],
    ["Foo-4.65bpw-h6-exl2", "exl2:4.65bpw-h6"],
    ["Foo-8.5bpw-h8-exl2", "exl2:8.5bpw-h8"],
    ["Foo-AWQ", "awq:gemm-128g"],
    ["Foo-AWQ-gemv", "awq:gemv-128g"],
    ["Foo-w4a16", "compressed-tensors:4bit-128g-sym"],
    ["Foo-IQ4_XS.gguf", "gguf:iq4_xs"],
  ] as const)("%s → %s", async (name, target) => {
    const { out } = await requant("name", name, "--json");
    expect(JSON.parse(out).target).toBe(target);
    if (target !== undefined)
      expect((await requant("plan", "/nowhere", "--to", target)).status, "a target that parses").toBe(4);
  });

  it("say what the target does to floats", async () => {
    expect(unwrapped((await requant("name", "Foo-AWQ")).out)).toContain(
      "target --to awq:gemm-128g Codes are rounded to the nearest one, without calibration data",
    );
  });

  // "copy" and "auto" are ways to convert; a file that was made so says what it holds
  const published = listTargets().filter((target) => !/:(?:copy|auto)/.test(target));

  it("of every target are understood, whether its format stands before its words or behind them", async () => {
    expect(published.length).toBeGreaterThan(150);
    for (const target of published) {
      const [format = "", words = ""] = target.split(":");
      const names = FILES.includes(format)
        ? [`Foo-7B-${words.toUpperCase()}.${format}`, `Foo-7B.${words}.${format}`]
        : [`Foo-7B-${format}-${words}`, `Foo-7B-${words}-${format.toUpperCase()}`];
      for (const name of names) {
        const found = JSON.parse((await requant("name", name, "--json")).out);
        expect({ name, target: parseTarget(found.target ?? "gguf:none").settings }).toEqual({
          name,
          target: parseTarget(target).settings,
        });
        expect(found).toMatchObject({ parameters: 7e9, unknown: ["Foo"] });
      }
    }
  });
});

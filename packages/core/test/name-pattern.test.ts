/** Patterns from files. The oracle for what matches is the engine's own RegExp, on names short enough for it. */
import { isCodecError } from "@requant/core";
import { namePattern, patternBudget } from "@requant/core/format";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const oracle = (pattern: string, name: string): boolean => new RegExp(`^(?:${pattern})`).test(name);

describe("namePattern", () => {
  test.each([
    ".*\\.18\\..*gate.*",
    "model\\.layers\\.(?:0|1[0-9]|2)\\.mlp",
    "lm_head",
    "^.*(?:gate|up|down)_proj$",
    "^(?!.*lm_head).*$",
    ".*\\.layers\\.\\d{1,2}\\.(self_attn|mlp)\\.[a-z]_proj$",
    "(?<part>model)[.]\\w+",
    "",
    "a{2,}b?c{0,1}?",
    "x{,3}",
    "[^\\]\\d-]+-[-a][a-]",
    // what PCRE has besides, as GPTQModel's rules use it
    ".*(?<=mlp\\.)gate_proj$",
    ".*(?<!self_attn\\.)(?:q|gate)_proj$",
    ".*\\bmlp\\b",
    "\\Bm",
  ])("%s is what RegExp takes it for", (pattern) => {
    for (const name of [
      "model.layers.18.mlp.gate_proj",
      "model.layers.2.mlp",
      "model.layers.21.self_attn.q_proj",
      "lm_head",
      "",
      "aab",
      "aabcc",
      "x{,3}",
      "ab--a",
    ])
      expect(namePattern(pattern)(name), name).toBe(oracle(pattern, name));
  });

  test("(?i) at the start: any case", () => {
    const insensitive = (pattern: string, name: string): boolean =>
      new RegExp(`^(?:${pattern})`, "i").test(name);
    for (const pattern of ["model\\.[a-c]+", "[^a-c]+x", "LM_HEAD"]) {
      for (const name of ["Model.ABC", "model.abc", "DEX", "AX", "lm_head", ""]) {
        expect(namePattern(`(?i)${pattern}`)(name), `${pattern} on ${name}`).toBe(insensitive(pattern, name));
      }
    }
  });

  const atom = fc.constantFrom(
    "a",
    "b",
    ".",
    "\\.",
    "\\w",
    "\\W",
    "[ab]",
    "[^a]",
    "[a-c.]",
    "^",
    "$",
    "\\b",
    "\\B",
  );
  const { expression } = fc.letrec<{ expression: string; piece: string }>((tie) => ({
    piece: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      atom,
      fc
        .tuple(tie("piece"), fc.constantFrom("*", "+", "?", "{2}", "{1,3}", "{0,}", "*?", "+?"))
        .map(([piece, count]) => (/^(?:[\^$]|\\b|\\B)$/.test(piece) ? piece : `(?:${piece})${count}`)),
      fc
        .tuple(fc.constantFrom("(", "(?:", "(?=", "(?!", "(?<=", "(?<!"), tie("expression"))
        .map(([open, inner]) => `${open}${inner})`),
    ),
    expression: fc
      .array(fc.array(tie("piece"), { maxLength: 3 }), { minLength: 1, maxLength: 3 })
      .map((ways) => ways.map((pieces) => pieces.join("")).join("|")),
  }));
  const name = fc.stringMatching(/^[abc.]{0,8}$/);

  test("agrees with RegExp on random patterns", () => {
    fc.assert(
      fc.property(expression, fc.array(name, { minLength: 1, maxLength: 8 }), (pattern, names) => {
        for (const each of names)
          expect(namePattern(pattern)(each), `${pattern} on ${each}`).toBe(oracle(pattern, each));
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ["(", "FORMAT"],
    ["a)", "FORMAT"],
    ["[a", "FORMAT"],
    ["[b-a]", "FORMAT"],
    ["*a", "FORMAT"],
    ["a**", "FORMAT"],
    ["a{3,2}", "FORMAT"],
    ["a\\", "FORMAT"],
    ["(a)\\1", "UNSUPPORTED"],
    ["a++", "UNSUPPORTED"],
    ["(?>a)b", "UNSUPPORTED"],
    ["(".repeat(100) + ")".repeat(100), "UNSUPPORTED"],
    ["a".repeat(2000), "LIMIT"],
    ["((a{999}){999}){999}", "LIMIT"],
    ["(((){9999}){9999}){9999}", "LIMIT"],
  ])("refuses %s", (pattern, code) => {
    expect(() => namePattern(pattern)).toThrow(expect.objectContaining({ code }));
  });

  test("any text is a pattern or a clean refusal", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), fc.string(), (pattern, each) => {
        try {
          namePattern(pattern, { steps: 1e6 })(each);
        } catch (error) {
          if (!isCodecError(error)) throw error;
        }
      }),
      { numRuns: 3000 },
    );
  });

  test("time grows with the name, not with a power of it", () => {
    for (const pattern of [`${"a*".repeat(12)}b`, "((a+)+)+b", "(a|aa|a)*b", "(?!a*b)(?=a*)(a*a*)*c"]) {
      const budget = patternBudget();
      const before = budget.steps;
      expect(namePattern(pattern, budget)("a".repeat(1000))).toBe(false);
      expect(before - budget.steps, pattern).toBeLessThan(200_000);
    }
  });

  test("a budget ends matching that would still take long", () => {
    const matches = namePattern("(?:(?=.*(?=.*(?=.*x))).)*", { steps: 1e6 });
    expect(() => matches("a".repeat(1000))).toThrow(expect.objectContaining({ code: "LIMIT" }));
    expect(() => namePattern("a")("a".repeat(2000))).toThrow(expect.objectContaining({ code: "LIMIT" }));
  });
});

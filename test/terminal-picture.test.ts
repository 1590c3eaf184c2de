/** The pictures of a terminal show what the commands print. The oracle is the command itself, run as in a terminal. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { terminalPicture, terminalText } from "../scripts/terminal-picture.ts";

const pictures = resolve(import.meta.dirname, "../docs/pictures");

/** Times differ from run to run. */
const masked = (svg: string): string => svg.replace(/\b\d+(?:\.\d+)? (?:ms|s)\b/g, "# s");

it.skipIf(process.platform === "win32")(
  "the terminal pictures show what is printed now, with its colours (pnpm run terminal-picture writes them)",
  async () => {
    const text = await terminalText();
    expect(text).toContain("\u001b[32m");
    for (const theme of ["light", "dark"] as const) {
      const picture = readFileSync(resolve(pictures, `terminal-${theme}.svg`), "utf8");
      expect(masked(picture)).toBe(masked(terminalPicture(text, theme)));
    }
  },
);

it("a picture has the letters of the text, in the colours of its escape sequences", () => {
  const svg = terminalPicture("$ say\n\u001b[32ma < b\u001b[39m c", "dark");
  const words = svg.slice(svg.indexOf("<text")).replace(/<[^>]*>/g, "");
  expect(words.trim()).toBe("$ say\na &lt; b c");
  expect(svg).toContain('class="green">a &lt; b</tspan>');
  expect(() => terminalPicture("\u001b[35mviolet", "dark")).toThrow("knows no style");
});

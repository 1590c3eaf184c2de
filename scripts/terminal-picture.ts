/**
 * Draws a terminal as SVG, light and dark, from a real run of the command line with its colours.
 * `pnpm run terminal-picture` writes `docs/pictures/terminal-*.svg`; `test/terminal-picture.test.ts` holds their text against
 * what the commands print.
 */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { main } from "../packages/cli/src/main.ts";
import { SHOWN_FOLDER } from "./docs-workshop.ts";

const root = resolve(import.meta.dirname, "..");

/** What is typed. */
const commands: readonly string[] = [
  "convert kjv kjv-Q4_0.gguf --to gguf:q4_0",
  "convert kjv kjv-BF16.gguf --to gguf:bf16 --exact --quiet",
  "verify kjv kjv-BF16.gguf",
];

const columns = 80;

/** Runs the commands as in a terminal of 80 columns. @returns what is typed and printed, with escape sequences */
export async function terminalText(): Promise<string> {
  const before = process.cwd();
  const folder = mkdtempSync("/tmp/rq-");
  cpSync(join(root, "fixtures/kjv/hf"), join(folder, "kjv"), { recursive: true });
  let text = "";
  const write = (data: string | Uint8Array): void => {
    text += data;
  };
  process.chdir(folder);
  try {
    for (const line of commands) {
      if (text !== "") write("\n");
      write(`$ npx @requant/cli ${line}\n`);
      const status = await main(line.split(" "), { out: { write, isTTY: true, columns }, err: { write } });
      if (status !== 0) throw new Error(`requant ${line} ended with status ${status}:\n${text}`);
    }
  } finally {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  }
  return text.trimEnd().replaceAll(folder, SHOWN_FOLDER);
}

interface Span {
  readonly text: string;
  readonly style: string;
}

/** The classes of the SVG, by the numbers of escape sequences that set and end them. */
const styles: Readonly<Record<string, string>> = {
  "1": "bold",
  "2": "dim",
  "31": "red",
  "32": "green",
  "33": "yellow",
  "36": "cyan",
  "22": "",
  "39": "",
};

/** The lines of a text as spans of one style each. A style goes on over line ends, as in a terminal. */
function linesOf(text: string): Span[][] {
  const lines: Span[][] = [[]];
  const [first = "", ...others] = text.split("\u001b[");
  for (const part of [`22m${first}`, ...others]) {
    const [, code = "", printed = ""] = /^(\d+)m([\s\S]*)$/.exec(part) ?? [];
    const style = styles[code];
    if (style === undefined) throw new Error(`The picture knows no style for the escape sequence ${part}.`);
    for (const [index, piece] of printed.split("\n").entries()) {
      if (index > 0) lines.push([]);
      const isTyped = style === "" && piece.startsWith("$ ");
      if (piece !== "") lines.at(-1)?.push({ text: piece, style: isTyped ? "bold" : style });
    }
  }
  return lines;
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const palettes = {
  light: {
    paper: "#ffffff",
    edge: "#d0d7de",
    ink: "#1f2328",
    dim: "#59636e",
    red: "#cf222e",
    green: "#116329",
    yellow: "#7d4e00",
    cyan: "#0b6e7c",
  },
  dark: {
    paper: "#0d1117",
    edge: "#3d444d",
    ink: "#f0f6fc",
    dim: "#9198a1",
    red: "#ff7b72",
    green: "#7ee787",
    yellow: "#e3b341",
    cyan: "#76e3ea",
  },
} as const;

const title = "Commands of Requant in a terminal, and what they print";

/** Width of a letter and height of a line, in pixels. */
const letter = 8.4;
const lineHeight = 19;
const margin = 16;

/** The picture of a terminal with this text. */
export function terminalPicture(text: string, theme: keyof typeof palettes): string {
  const { paper, edge, ink, ...colours } = palettes[theme];
  const lines = linesOf(text);
  const width = Math.ceil(columns * letter) + 2 * margin;
  const height = lines.length * lineHeight + 2 * margin;
  const rows = lines.map((spans, index) => {
    const y = margin + (index + 0.75) * lineHeight;
    let column = 0;
    // each span has its place and length, so that every font of one width gives the same columns
    const drawn = spans.map(({ text: part, style }) => {
      const place = `x="${(margin + column * letter).toFixed(1)}" textLength="${(part.length * letter).toFixed(1)}"`;
      column += part.length;
      return `<tspan ${place}${style === "" ? "" : ` class="${style}"`}>${escaped(part)}</tspan>`;
    });
    return `<text y="${y}">${drawn.join("")}</text>`;
  });
  const rules = Object.entries(colours).map(([name, colour]) => `.${name}{fill:${colour}}`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
<title>${title}</title>
<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:${ink};white-space:pre}.bold{font-weight:600}${rules.join("")}</style>
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="${paper}" stroke="${edge}"/>
${rows.join("\n")}
</svg>
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = await terminalText();
  for (const theme of ["light", "dark"] as const) {
    const file = join(root, `docs/pictures/terminal-${theme}.svg`);
    writeFileSync(file, terminalPicture(text, theme));
    console.log(file);
  }
}

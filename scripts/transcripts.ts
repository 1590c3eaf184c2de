/**
 * Commands in pages are run as a reader would type them, and pages show what they really print. A fence of the language
 * `console` has commands after `$ ` and their output. `pnpm run docs-transcripts` writes the outputs anew;
 * `test/docs-transcripts.test.ts` compares them.
 */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { openWorkshop, SHOWN_FOLDER, type Workshop } from "./docs-workshop.ts";

const docs = resolve(import.meta.dirname, "../docs");

/** Pages whose commands are run. */
export const pages: readonly string[] = [
  "getting-started.md",
  "recipes/hf-to-gguf.md",
  "recipes/awq-to-gguf.md",
  "recipes/compare-quantizations.md",
  "recipes/inspect-remote.md",
  "recipes/mlx.md",
  "recipes/many-machines.md",
  "concepts/bits.md",
  "concepts/groups.md",
  "concepts/fidelity.md",
  "concepts/calibration.md",
].map((name) => join(docs, name));

/** The port that pages show for a server of this machine; each run takes a free one with as many digits. */
const SHOWN_PORT = "48080";

interface Step {
  /** What stands between the command and the next one. */
  readonly output: string;
  readonly command: string;
  /** The exit status that the fence announces for its last command: `console status=5`. */
  readonly status: number;
}

/** A page in pieces: text as it is, and commands. */
export type Piece = { readonly text: string } | Step;

/** Splits a page at its commands; all pieces together are the page. */
export function piecesOf(page: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const fence of page.matchAll(/^```console(?: status=(\d+))?\n([\s\S]*?)^```$/gm)) {
    const body = fence[2] ?? "";
    const start = fence.index + fence[0].length - "```".length - body.length;
    pieces.push({ text: page.slice(at, start) });
    at = start + body.length;
    const commands = body.split(/^(?=\$ )/m);
    for (const [index, part] of commands.entries()) {
      const [, command = "", output = ""] = /^\$ ((?:.*\\\n)*.*)\n([\s\S]*)$/.exec(part) ?? [];
      if (command === "")
        throw new Error(`A fence of the language console begins with "$ ", not with ${part}`);
      const status = index === commands.length - 1 ? Number(fence[1] ?? 0) : 0;
      pieces.push({ command, output, status });
    }
  }
  return [...pieces, { text: page.slice(at) }];
}

/** Times differ from run to run, and so does the id of a plan, which holds the time of the source's files. */
export const masked = (text: string): string =>
  text
    .replace(/\b\d+(?:\.\d+)? (?:ms|s|min)\b/g, "# s")
    .replace(/\.[0-9a-f]{16}\.requant-parts/g, ".#.requant-parts");

/** What a command prints on both streams, in the order of a terminal. */
function run(
  command: string,
  { folder, environment }: Workshop,
): Promise<{ status: number; printed: string }> {
  return new Promise((done, failed) => {
    const child = spawn("bash", ["-c", `exec 2>&1\n${command}`], { cwd: folder, env: environment });
    let printed = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
    });
    child.on("error", failed);
    child.on("close", (status) => done({ status: status ?? -1, printed }));
  });
}

/**
 * Runs the commands of a page, one after the other, in a folder of its own.
 * @returns the page with what they print; times stay as they are in the page where nothing else differs
 * @throws Error for a command whose exit status is not the announced one
 */
export async function pageWithOutputs(page: string): Promise<string> {
  const pieces = piecesOf(page);
  if (pieces.length === 1) return page;
  const workshop = await openWorkshop();
  try {
    let result = "";
    for (const piece of pieces) {
      if ("text" in piece) {
        result += piece.text;
        continue;
      }
      const { status, printed } = await run(piece.command.replaceAll(SHOWN_PORT, workshop.port), workshop);
      if (status !== piece.status)
        throw new Error(`${piece.command}\nends with status ${status}, not ${piece.status}:\n${printed}`);
      const seen = printed
        .replaceAll(workshop.port, SHOWN_PORT)
        .replaceAll(workshop.hub, "https://huggingface.co")
        .replaceAll(workshop.folder, SHOWN_FOLDER)
        .replace(/\s*$/, "\n")
        .replace(/^\n$/, "");
      // an empty line between one output and the next command
      const gap = /\n\n$/.test(piece.output) ? "\n" : "";
      const isSame = masked(seen + gap) === masked(piece.output);
      result += `$ ${piece.command}\n${isSame ? piece.output : seen + gap}`;
    }
    return result;
  } finally {
    workshop.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const chosen = process.argv.slice(2);
  for (const path of pages) {
    if (chosen.length > 0 && !chosen.some((part) => path.includes(part))) continue;
    const page = readFileSync(path, "utf8");
    const written = await pageWithOutputs(page);
    if (written === page) continue;
    writeFileSync(path, written);
    console.log(`${path} was written anew`);
  }
}

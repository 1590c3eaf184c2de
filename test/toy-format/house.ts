/** A copy of the sources in a temporary folder, to which a format is added as CONTRIBUTING describes. */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");
/** Not the node that runs this test: the oldest one does not read TypeScript. */
const node = join(root, "node_modules/.bin/node");

/** One command line and its result. */
export interface Ran {
  readonly argv: readonly string[];
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** The copy, with one more package. */
export interface House {
  readonly folder: string;
  /** Changed files outside the new package, and the lines that were added to each. */
  readonly changed: Readonly<Record<string, readonly string[]>>;
  /** Runs command lines of the tool one after another, in one process. */
  run(...commands: readonly (readonly string[])[]): Ran[];
  /** Runs a script of the copy. */
  script(path: string, ...argv: readonly string[]): string;
}

const LEFT_OUT: ReadonlySet<string> = new Set(["dist", "test", "assembly", "corpus"]);

/** Copies the sources and adds the package `from` as `packages/toy4` and to the list of formats. */
export function houseWithToy(from: string): House {
  const folder = mkdtempSync(join(tmpdir(), "requant-toy-"));
  for (const part of ["packages", "fuzz"]) {
    cpSync(join(root, part), join(folder, part), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !LEFT_OUT.has(basename(path)),
    });
  }
  for (const part of ["node_modules", "fixtures"]) symlinkSync(join(root, part), join(folder, part));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  // the package
  cpSync(from, join(folder, "packages/toy4"), { recursive: true });
  // the link that a package manager makes for the line in convert's dependencies
  const links = join(folder, "packages/convert/node_modules/@requant");
  mkdirSync(links, { recursive: true });
  symlinkSync("../../../toy4", join(links, "toy4"));
  // the line
  change(folder, "packages/convert/package.json", (text) =>
    text.replace('"@requant/safetensors":', '"@requant/toy4": "workspace:*",\n    "@requant/safetensors":'),
  );
  change(folder, "packages/convert/src/formats.ts", (text) =>
    text
      .replace(
        "/** All weight formats",
        'import { toy4Format } from "@requant/toy4";\n\n/** All weight formats',
      )
      .replace("  gptqFormat,\n", "  gptqFormat,\n  toy4Format,\n"),
  );
  const runner = join(folder, "run.mjs");
  writeFileSync(runner, RUNNER);
  const script = (path: string, ...argv: readonly string[]): string =>
    execFileSync(node, ["--conditions=@requant/source", "--no-warnings", path, ...argv], {
      cwd: folder,
      encoding: "utf8",
      maxBuffer: 1e8,
    });
  return {
    folder,
    changed: changesOf(folder),
    run: (...commands) => JSON.parse(script(runner, JSON.stringify(commands))) as Ran[],
    script,
  };
}

/** One process for all commands: starting one takes longer than most of them. */
const RUNNER = `
import { main } from "./packages/cli/src/main.ts";
const ran = [];
for (const argv of JSON.parse(process.argv[2])) {
  const text = { out: "", err: "" };
  const stream = (key) => ({ write: (part) => { text[key] += part; } });
  const status = await main(argv, { out: stream("out"), err: stream("err") });
  ran.push({ argv, status, ...text });
}
process.stdout.write(JSON.stringify(ran));
`;

function change(folder: string, path: string, edit: (text: string) => string): void {
  const file = join(folder, path);
  const before = readFileSync(file, "utf8");
  const after = edit(before);
  if (after === before) throw new Error(`${path} has no place for another format.`);
  writeFileSync(file, after);
}

/** Compares every copied file with its original. */
function changesOf(folder: string): Record<string, string[]> {
  const changed: Record<string, string[]> = {};
  for (const part of ["packages", "fuzz"]) {
    for (const entry of readdirSync(join(folder, part), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name).slice(folder.length + 1);
      if (!entry.isFile() || /node_modules|^packages.toy4/.test(path)) continue;
      const before = readFileSync(join(root, path), "utf8").split("\n");
      const after = readFileSync(join(folder, path), "utf8").split("\n");
      const added = after.filter((line) => !before.includes(line));
      if (after.length !== before.length || added.length > 0) changed[path] = added;
    }
  }
  return changed;
}

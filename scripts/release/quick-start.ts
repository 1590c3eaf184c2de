/** Installs the tarballs of a release as a user would, and does there what the README shows. */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { Tarball } from "./tarballs.ts";

/** One Node to run the quick start in. */
export interface Runtime {
  readonly node: string;
  readonly version: string;
}

export function runtime(node: string): Runtime {
  return { node, version: execFileSync(node, ["--version"], { encoding: "utf8" }).trim() };
}

/** Nothing of this repository may help: neither its conditions nor its commands. */
const { NODE_OPTIONS: _options, NODE_PATH: _path, ...environment } = process.env;

/** Installs all tarballs with npm in an empty project. */
export function installAll(tarballs: readonly Tarball[], project: string): void {
  mkdirSync(project, { recursive: true });
  const manifest = {
    name: "quick-start",
    private: true,
    dependencies: Object.fromEntries(tarballs.map(({ path, manifest }) => [manifest.name, `file:${path}`])),
  };
  writeFileSync(join(project, "package.json"), JSON.stringify(manifest));
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"], {
    cwd: project,
    env: environment,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  });
}

/** Runs a program in the project. @returns what it printed @throws Error where its exit status is another one */
function run({ node }: Runtime, project: string, args: readonly string[], expected = 0): string {
  const { status, stdout, stderr } = spawnSync(node, args, {
    cwd: project,
    env: { ...environment, PATH: [dirname(node), environment["PATH"]].join(delimiter) },
    encoding: "utf8",
  });
  if (status !== expected)
    throw new Error(`${args.join(" ")}\nexit status ${status}, expected ${expected}\n${stdout}${stderr}`);
  return stdout;
}

/** Inspects, converts and verifies the bundled model with the installed command. */
export function commandQuickStart(at: Runtime, project: string, model: string): void {
  const { bin, version } = JSON.parse(
    readFileSync(join(project, "node_modules/@requant/cli/package.json"), "utf8"),
  );
  const command = join(project, "node_modules/@requant/cli", bin.requant);
  if (!readFileSync(command, "utf8").startsWith("#!/usr/bin/env node"))
    throw new Error(`${command}: no #! line`);
  if (!existsSync(join(project, "node_modules/.bin/requant")))
    throw new Error("npm made no command requant.");
  const requant = (status: number, ...args: string[]): string => run(at, project, [command, ...args], status);
  const shown = requant(0, "--version").trim();
  if (shown !== version) throw new Error(`requant --version prints ${shown}, but the package is ${version}.`);
  cpSync(model, join(project, "model"), { recursive: true });
  requant(0, "inspect", "model");
  requant(0, "convert", "model", "model.gguf", "--to", "gguf:q4_0", "--jobs", "2");
  requant(0, "convert", "model", "exact.gguf", "--to", "gguf:bf16", "--exact");
  requant(0, "convert", "exact.gguf", "back", "--to", "safetensors:bf16", "--exact");
  requant(0, "verify", "model", "back");
  // quantized weights differ from the model, and verify says so by its status
  requant(1, "verify", "model", "model.gguf");
}

/** The first block of TypeScript in a README that uses a package. */
export function librarySnippet(readme: string): string {
  const blocks = readme.split("```ts\n").map((text) => text.split("```\n")[0] ?? "");
  const found = blocks.slice(1).find((code) => code.includes('from "@requant/'));
  if (found === undefined)
    throw new Error("README.md has no block of TypeScript that imports a package, which a release runs.");
  return found;
}

/** The same program in CommonJS. */
function asCommonJs(code: string): string {
  const lines = code.split("\n");
  const imports = lines
    .filter((line) => line.startsWith("import "))
    .map((line) => {
      const [, names, from] = /^import \{(.+)\} from (".+");$/.exec(line) ?? [];
      if (names === undefined)
        throw new Error(`README.md: this import cannot be written as require: ${line}`);
      return `const {${names.replaceAll(" as ", ": ")}} = require(${from});`;
    });
  const body = lines.filter((line) => !line.startsWith("import "));
  return [...imports, "(async () => {", ...body, "})();"].join("\n");
}

/** Runs the README's program as a module and in CommonJS; both must print the same. */
export function libraryQuickStart(at: Runtime, project: string, snippet: string): string {
  writeFileSync(join(project, "snippet.mjs"), snippet);
  writeFileSync(join(project, "snippet.cjs"), asCommonJs(snippet));
  const [module, common] = ["snippet.mjs", "snippet.cjs"].map((file) => run(at, project, [file]));
  if (module === undefined || module.trim() === "")
    throw new Error("The program of README.md prints nothing.");
  if (module !== common)
    throw new Error(`The program prints\n${module}as a module, and in CommonJS\n${common}`);
  return module.trim();
}

/** Entries that are scripts of a worker of the browser: they cannot be loaded in Node. */
const forBrowsers = new Set(["@requant/calibrate/web-thread", "@requant/convert/web-worker"]);

/** Loads every entry of every library in both module systems; both must export the same names. */
export function loadEntries(at: Runtime, project: string, tarballs: readonly Tarball[]): number {
  const entries = tarballs.flatMap(({ manifest: { name, exports } }) =>
    Object.entries(exports).flatMap(([path, target]) =>
      typeof target === "object" ? [`${name}${path.slice(1)}`] : [],
    ),
  );
  const wanted = entries.filter((entry) => !forBrowsers.has(entry));
  const program = `
    const { createRequire } = await import("node:module");
    const require = createRequire(import.meta.url);
    for (const entry of ${JSON.stringify(wanted)}) {
      const module = Object.keys(await import(entry)).filter((name) => name !== "default").sort();
      const common = Object.keys(require(entry)).filter((name) => name !== "default").sort();
      if (module.length === 0 || JSON.stringify(module) !== JSON.stringify(common))
        throw new Error(entry + " exports " + module + " as a module, and in CommonJS " + common);
    }`;
  writeFileSync(join(project, "entries.mjs"), program);
  run(at, project, ["entries.mjs"]);
  return wanted.length;
}

/** `pnpm fuzz <target…|all> [--seconds 60] [--runs N] [--seed S] [--keep] [--summary FILE]`. See README.md. */
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { FuzzResult } from "./engine/fuzz.ts";
import { watch } from "./engine/watch.ts";
import { targets } from "./targets/index.ts";

const corpusFolder = resolve(import.meta.dirname, "corpus");
const regressionFolder = resolve(import.meta.dirname, "../test/regression");
/** A corpus stays small enough to be reviewed in a repository. */
const MOST_KEPT = 24;
const LONGEST_KEPT = 4096;

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "60" },
    runs: { type: "string" },
    seed: { type: "string" },
    keep: { type: "boolean", default: false },
    summary: { type: "string" },
  },
});

const names = targets.map(({ name }) => name);
const unknown = wanted.filter((name) => name !== "all" && !names.includes(name));
if (wanted.length === 0 || unknown.length > 0) {
  console.error(
    `${unknown.length > 0 ? `no target ${unknown.join(", ")}; ` : ""}targets: all, ${names.join(", ")}`,
  );
  process.exit(2);
}
const chosen = wanted.includes("all") ? targets : targets.filter(({ name }) => wanted.includes(name));
const seed = options.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(options.seed);

function stored(folder: string): Uint8Array[] {
  return existsSync(folder)
    ? readdirSync(folder).map((name) => new Uint8Array(readFileSync(join(folder, name))))
    : [];
}

function store(folder: string, name: string, bytes: Uint8Array): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}${createHash("sha256").update(bytes).digest("hex").slice(0, 12)}.bin`);
  writeFileSync(path, bytes);
  return path;
}

let total = 0;
let found = 0;
for (const { name } of chosen) {
  const folder = join(corpusFolder, name);
  const corpus = [...stored(folder), ...stored(join(regressionFolder, name))];
  const result: FuzzResult = await watch({
    target: name,
    seed,
    corpus,
    executions: options.runs === undefined ? undefined : Number(options.runs),
    seconds: Number(options.seconds),
  });
  total += result.executions;
  found += result.finds.length;
  console.log(
    `${name.padEnd(28)} ${String(result.executions).padStart(9)} executions in ${result.seconds.toFixed(0)} s, ${result.covered} characters covered, ${result.finds.length} finds`,
  );
  for (const find of result.finds) {
    const path = store(join(regressionFolder, name), `${find.kind}-`, find.input);
    console.log(`  ${find.kind}: ${find.message.split("\n").slice(0, 6).join("\n    ")}\n  kept as ${path}`);
  }
  if (options.keep) {
    const room = MOST_KEPT - stored(folder).length;
    const small = result.reached
      .filter(({ length }) => length <= LONGEST_KEPT)
      .sort((a, b) => a.length - b.length);
    for (const input of small.slice(0, Math.max(room, 0))) store(folder, "", input);
  }
  if (options.summary !== undefined) {
    const { executions, seconds, covered, finds } = result;
    const line = {
      date: new Date().toISOString(),
      node: process.version,
      target: name,
      seed,
      executions,
      seconds: Math.round(seconds),
      covered,
      finds: finds.map(({ kind, message }) => `${kind}: ${message.split("\n")[0]}`),
    };
    appendFileSync(options.summary, `${JSON.stringify(line)}\n`);
  }
}
console.log(`${total} executions of ${chosen.length} targets with seed ${seed}, ${found} finds`);
process.exit(found > 0 ? 1 : 0);

/** Every fuzz target: what was found once stays fixed, and a short run with a fixed seed finds nothing new. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { fuzz, tryInput } from "../fuzz/engine/fuzz.ts";
import type { FuzzTarget } from "../fuzz/engine/target.ts";
import { targets } from "../fuzz/targets/index.ts";

/** A minute a target would take an hour: the long runs are `pnpm fuzz all`, this one keeps the targets honest. */
const SECONDS = 1;
const EXECUTIONS = 4000;
/** Prefixes of one seed that are tried; of longer seeds every n-th. */
const PREFIXES = 1024;

function stored(folder: string): { name: string; bytes: Uint8Array }[] {
  const path = resolve(import.meta.dirname, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path).map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(path, name))) }));
}

describe.each(targets.map((target): [string, FuzzTarget] => [target.name, target]))("%s", (name, target) => {
  const regressions = stored(`regression/${name}`);
  it.each(regressions)("$name stays fixed", async ({ bytes }) => {
    expect((await tryInput(target, bytes))?.message).toBeUndefined();
  });

  it("holds for every prefix of a valid input", async () => {
    const finds: string[] = [];
    for (const seed of target.seeds().slice(0, 2)) {
      const step = Math.ceil(seed.length / PREFIXES);
      for (let length = 0; length < seed.length; length += step) {
        const find = await tryInput(target, seed.slice(0, length));
        if (find !== undefined) finds.push(`${length} of ${seed.length} bytes: ${find.message}`);
      }
    }
    expect(finds).toEqual([]);
  });

  it("holds for its corpus and a short run", async () => {
    const result = await fuzz(target, {
      seed: 1,
      seconds: SECONDS,
      executions: EXECUTIONS,
      corpus: stored(`../fuzz/corpus/${name}`).map(({ bytes }) => bytes),
      guided: false,
    });
    expect(result.finds.map(({ kind, message }) => `${kind}: ${message}`)).toEqual([]);
    expect(result.executions).toBeGreaterThan(10);
  });
});

describe("regressions", () => {
  it("belong to targets that exist", () => {
    const folder = resolve(import.meta.dirname, "regression");
    const names = existsSync(folder) ? readdirSync(folder) : [];
    expect(names.filter((name) => !targets.some((target) => target.name === name))).toEqual([]);
  });
});

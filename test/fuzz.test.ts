/** Every fuzz target: earlier finds stay fixed, and a short run with a fixed seed finds nothing new. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { fuzz, tryInput } from "../fuzz/engine/fuzz.ts";
import type { FuzzTarget } from "../fuzz/engine/target.ts";
import { targets } from "../fuzz/targets/index.ts";
import { FormatError, UsageError } from "../packages/core/src/index.ts";
import { fuzzingDocument, fuzzingLines } from "../scripts/fuzzing-page.ts";

/** A minute for each target takes an hour, which is for a scheduled run. The default is a second each. */
const given = process.env["REQUANT_FUZZ_SECONDS"];
const SECONDS = Number(given ?? 1);
const EXECUTIONS = given === undefined ? 4000 : undefined;
const SEED = given === undefined ? 1 : Math.floor(Math.random() * 2 ** 31);
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

  it("passes every prefix of a valid input", async () => {
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

  it(
    "passes its corpus and a short run",
    async () => {
      const result = await fuzz(target, {
        seed: SEED,
        seconds: SECONDS,
        executions: EXECUTIONS,
        corpus: stored(`../fuzz/corpus/${name}`).map(({ bytes }) => bytes),
        guided: given !== undefined,
      });
      const finds = result.finds.map(
        ({ kind, message, input }) =>
          `${kind}: ${message}\n${Buffer.from(input).toString("base64").slice(0, 2000)}`,
      );
      expect(finds, `seed ${SEED}`).toEqual([]);
      expect(result.executions).toBeGreaterThan(10);
    },
    20_000 + 2000 * SECONDS,
  );
});

describe("docs/fuzzing.md", () => {
  const docs = new URL("../docs/", import.meta.url);
  const lines = fuzzingLines(readFileSync(new URL("fuzzing.jsonl", docs), "utf8"));

  it("equals fuzzing.jsonl (pnpm fuzzing-page writes it)", () => {
    expect(readFileSync(new URL("fuzzing.md", docs), "utf8")).toBe(fuzzingDocument(lines));
  });

  it("has ten million executions, and a file for every find", () => {
    expect(lines.reduce((sum, { executions }) => sum + executions, 0)).toBeGreaterThan(10e6);
    for (const { target, finds } of lines)
      expect(stored(`regression/${target}`).length).toBeGreaterThanOrEqual(finds.length);
  });
});

describe("the engine", () => {
  const target = (run: FuzzTarget["run"]): FuzzTarget => ({
    name: "planted",
    dictionary: ["GGUF"],
    seeds: () => [new Uint8Array(32)],
    run,
  });
  const seen = async (run: FuzzTarget["run"]): Promise<string[]> =>
    (await fuzz(target(run), { seed: 1, executions: 20_000, seconds: 20, guided: false })).finds.map(
      ({ kind, message }) => `${kind}: ${message.split("\n")[0]}`,
    );

  it("finds an error that needs a word and a length, and lets clean refusals pass", async () => {
    const finds = await seen((input) => {
      if (new TextDecoder().decode(input).includes("GGUF") && input.length > 40)
        throw new RangeError("planted");
      throw new FormatError("not it");
    });
    expect(finds).toEqual(["error: RangeError: planted"]);
  });

  it("counts a refusal that blames the caller as a find", async () => {
    const finds = await seen((input) => {
      if (input.length > 60) throw new UsageError("your fault");
    });
    expect(finds).toEqual(["error: UsageError: your fault"]);
  });

  it("counts a second of work as a find, but not a second of waiting", async () => {
    const work = (): void => {
      const before = process.cpuUsage();
      while (process.cpuUsage(before).user + process.cpuUsage(before).system < 1.1e6);
    };
    const wait = (): Promise<void> => new Promise((done) => setTimeout(done, 1100));
    expect(await tryInput(target(work), new Uint8Array(1))).toMatchObject({ kind: "slow" });
    expect(await tryInput(target(wait), new Uint8Array(1))).toBeUndefined();
  }, 120_000);
});

describe("regressions", () => {
  it("belong to targets that exist", () => {
    const folder = resolve(import.meta.dirname, "regression");
    const names = existsSync(folder) ? readdirSync(folder) : [];
    expect(names.filter((name) => !targets.some((target) => target.name === name))).toEqual([]);
  });
});

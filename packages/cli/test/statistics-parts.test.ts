/**
 * `calibrate --plan-out`, `run` and `finish`. The oracle is the file that `calibrate` makes on one machine; `fleet` is held to the
 * file that parts without a queue make.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, redisProgram, startRedis } from "../../../fixtures/redis-server.ts";
import { main } from "../src/main.ts";
import { requant } from "./run.ts";

const root = resolve(import.meta.dirname, "../../..");
const hf = join(root, "fixtures/kjv/hf");
const bin = join(root, "packages/cli/src/bin.ts");
const folder = mkdtempSync(join(tmpdir(), "requant-statistics-parts-"));
const at = (...names: string[]): string => join(folder, ...names);
const text = at("text.txt");
const SETTINGS = ["--text", text, "--window", "64", "--samples", "12"];

beforeAll(async () => {
  writeFileSync(text, readFileSync(join(root, "fixtures/kjv/heldout.txt"), "utf8").slice(0, 12_000));
  const { status, err } = await requant("calibrate", hf, ...SETTINGS, "-o", at("one.safetensors"), "--quiet");
  expect(status, err).toBe(0);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function saved(name: string, ...options: string[]): Promise<{ plan: string; output: string }> {
  const [plan, output] = [at(`${name}.json`), at(name, "s.safetensors")];
  const args = ["calibrate", hf, ...SETTINGS, "-o", output, "--plan-out", plan, "--quiet", ...options];
  expect(await requant(...args)).toMatchObject({ status: 0, out: "", err: "" });
  return { plan, output };
}

describe("statistics in parts", () => {
  it("are those of one machine where the text is one slice, and serve convert", async () => {
    const { plan, output } = await saved("whole", "--slices", "1");
    expect(existsSync(at("whole"))).toBe(false);
    const part = await requant("run", plan, "--part", "1/1");
    expect(part).toMatchObject({ status: 0, err: "" });
    expect(part.out).toMatch(/^part 1\/1: .* 1 piece of 1 made/);
    const finished = await requant("finish", plan);
    expect(finished.out).toMatch(/s\.safetensors: statistics of 14 inputs over 12 windows of 64 tokens/);
    expect(readFileSync(output).equals(readFileSync(at("one.safetensors")))).toBe(true);
    const args = ["--to", "gptq:4bit-128g-sym", "--calibrate", output, "--quiet"];
    expect(await requant("convert", hf, at("gptq"), ...args)).toMatchObject({ status: 0 });
  }, 60_000);

  it("have the same bytes for any number of parts, and after a killed one", async () => {
    const one = await saved("one-part");
    expect(await requant("run", one.plan, "--part", "1/1", "--quiet")).toMatchObject({ status: 0, err: "" });
    expect(await requant("finish", one.plan, "--quiet")).toMatchObject({ status: 0, err: "" });
    const many = await saved("many-parts");
    const args = ["--conditions=@requant/source", "--no-warnings", bin, "run", many.plan, "--part", "2/2"];
    const child = spawn(process.execPath, args, { stdio: "ignore" });
    const isBegun = (): boolean =>
      existsSync(at("many-parts")) &&
      readdirSync(at("many-parts"), { recursive: true, encoding: "utf8" }).some((name) =>
        name.endsWith(".log"),
      );
    while (!isBegun()) await new Promise((done) => setTimeout(done, 5));
    child.kill("SIGKILL");
    await once(child, "close");
    const early = await requant("finish", many.plan);
    expect(early.status).toBe(2);
    expect(early.err).toContain("The plan is not finished: it lacks part");
    for (const part of ["3/3", "1/3", "2/3", "1/3"]) {
      expect(await requant("run", many.plan, "--part", part)).toMatchObject({ status: 0, err: "" });
    }
    expect(await requant("finish", many.plan, "--quiet")).toMatchObject({ status: 0, err: "" });
    expect(readdirSync(at("many-parts"))).toEqual(["s.safetensors"]);
    expect(readFileSync(many.output).equals(readFileSync(one.output))).toBe(true);
    expect((await requant("run", many.plan, "--part", "1/3")).out).toContain("finished already");
    expect((await requant("finish", many.plan)).out).toContain("finished already");
    const report: unknown = JSON.parse((await requant("finish", many.plan, "--json")).out);
    expect(report).toMatchObject({ finishedAlready: true, windows: 12, entries: 14, warnings: [] });
  }, 120_000);

  it("answer in lines of JSON to a program that asks for parts", async () => {
    const { plan } = await saved("lines", "--slices", "2");
    let out = "";
    const streams = {
      input: Readable.from(["2/2\nnone\n"]),
      out: { write: (written: string | Uint8Array) => (out += written.toString()) },
      err: { write: () => true },
    };
    expect(await main(["run", plan, "--part", "-", "--quiet"], streams)).toBe(2);
    const answers = out.trim().split("\n");
    expect(answers.map((line): unknown => JSON.parse(line))).toMatchObject([
      { part: 2, count: 2, state: "made", pieceCount: 1 },
      { error: { code: "USAGE" } },
    ]);
    expect(await requant("finish", plan, "--abort", "--quiet")).toMatchObject({ status: 0, err: "" });
    expect(readdirSync(at("lines"))).toEqual([]);
  }, 60_000);

  it("are refused where the text has changed", async () => {
    const { plan } = await saved("changed");
    const before = readFileSync(text);
    writeFileSync(text, `${before.toString()}.`);
    const { status, err } = await requant("run", plan, "--part", "1/1");
    writeFileSync(text, before);
    expect(status).toBe(2);
    expect(err).toContain("has changed since the plan was saved");
  });
});

describe("calibrate --plan-out", () => {
  it.each([
    [["--jobs", "2"], "--plan-out and --jobs"],
    [["--resume"], "--plan-out and --resume"],
    [["--slices", "13"], "12 windows of the text cannot be cut into 13 slices"],
  ])("is refused with %j", async (options, words) => {
    const args = [...SETTINGS, "-o", at("no.safetensors"), "--plan-out", at("no.json"), ...options];
    const { status, err } = await requant("calibrate", hf, ...args);
    expect(status).toBe(2);
    expect(err).toContain(words);
    expect(existsSync(at("no.json"))).toBe(false);
  });

  it("is refused over its text, in its source, over its output, and for an output that is there", async () => {
    const output = at("two.safetensors");
    for (const [plan, words] of [
      [text, "over a file of the source"],
      [join(hf, "plan.json"), "over a file of the source"],
      [output, "the same path"],
    ] as const) {
      const { status, err } = await requant(
        "calibrate",
        hf,
        ...SETTINGS,
        "-o",
        output,
        "--plan-out",
        plan,
        "--overwrite",
      );
      expect(status).toBe(2);
      expect(err).toContain(words);
    }
    const args = [...SETTINGS, "-o", at("one.safetensors"), "--plan-out", at("no.json")];
    expect(await requant("calibrate", hf, ...args)).toMatchObject({ status: 4 });
    for (const plan of ["-", "s3://bucket/plan.json"]) {
      const refused = await requant("calibrate", hf, ...SETTINGS, "-o", output, "--plan-out", plan);
      expect(refused.status).toBe(2);
    }
    const alone = await requant("calibrate", hf, ...SETTINGS, "-o", output, "--slices", "2");
    expect(alone.err).toContain("--slices is about a saved plan");
  });
});

describe.skipIf(redisProgram === undefined)("a fleet (skipped: there is no redis-server)", () => {
  let redis: RedisServer;
  beforeAll(async () => {
    mkdirSync(at("redis"));
    redis = await startRedis(at("redis"), "a-secret-word");
  });
  afterAll(async () => {
    await redis.kill();
  });

  it("makes the slices of a plan, one part each", async () => {
    const { plan, output } = await saved("fleet", "--slices", "3");
    const submitted = await requant("fleet", "submit", plan, "--redis", redis.url);
    expect(submitted).toMatchObject({ status: 0, err: "" });
    expect(submitted.out).toMatch(/^3 parts of 3 submitted\n/);
    const args = ["fleet", "work", "--until-empty", "--memory", "500MB"];
    const workers = [1, 2].map(() =>
      spawn(process.execPath, ["--conditions=@requant/source", "--no-warnings", bin, ...args], {
        stdio: "ignore",
        env: { ...process.env, REDIS_URL: redis.url },
      }),
    );
    expect(await Promise.all(workers.map((worker) => once(worker, "close")))).toEqual([
      [0, null],
      [0, null],
    ]);
    const { out } = await requant("fleet", "status", plan, "--redis", redis.url, "--json");
    expect(JSON.parse(out).plans).toMatchObject([{ count: 3, done: 3, failed: [], name: "s.safetensors" }]);
    expect(await requant("finish", plan, "--quiet")).toMatchObject({ status: 0, err: "" });
    const direct = await saved("direct", "--slices", "3");
    expect(await requant("run", direct.plan, "--part", "1/1", "--quiet")).toMatchObject({ status: 0 });
    expect(await requant("finish", direct.plan, "--quiet")).toMatchObject({ status: 0 });
    expect(readFileSync(output).equals(readFileSync(direct.output))).toBe(true);
  }, 120_000);
});

/** `convert --plan-out`, `run` and `finish`. The oracle is the output of `convert` alone. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layerInputs, statisticsStore } from "../../convert/test/calibration-inputs.ts";
import { main } from "../src/main.ts";
import { requant } from "./run.ts";
import { honest, serveFiles } from "./serving.ts";

const root = resolve(import.meta.dirname, "../../..");
const hf = join(root, "fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-parts-"));
const at = (...names: string[]): string => join(folder, ...names);

beforeAll(async () => {
  const inputs = new Map([["blk.0.attn_q.weight", layerInputs(300, 256, 11)]]);
  const { files } = await statisticsStore(inputs, { "blk.0.attn_k.weight": "blk.0.attn_q.weight" });
  writeFileSync(at("stats.safetensors"), files.get("stats.safetensors") ?? "");
  expect(await requant("imatrix", "--merge", at("stats.safetensors"), "-o", at("i.gguf"))).toMatchObject({
    status: 0,
  });
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function filesIn(path: string): [string, Buffer][] {
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry): [string, Buffer] => [
      relative(path, join(entry.parentPath, entry.name)),
      readFileSync(join(entry.parentPath, entry.name)),
    ])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Saves a plan, runs it in parts, and compares with one conversion. */
async function inParts(name: string, count: number, ...options: string[]): Promise<void> {
  const plan = at(`${name}.json`);
  const saved = await requant("convert", hf, at(name, "x"), ...options, "--plan-out", plan, "--quiet");
  expect(saved.status).toBe(0);
  expect(existsSync(at(name))).toBe(false);
  for (let part = count; part >= 1; part--) {
    expect(await requant("run", plan, "--part", `${part}/${count}`)).toMatchObject({ status: 0, err: "" });
  }
  expect((await requant("finish", plan)).status).toBe(0);
  expect((await requant("convert", hf, at(`${name}-whole`, "x"), ...options, "--quiet")).status).toBe(0);
  expect(filesIn(at(name)).length).toBeGreaterThan(0);
  expect(filesIn(at(name))).toEqual(filesIn(at(`${name}-whole`)));
}

describe("a plan in parts makes what convert makes", () => {
  it("with an importance matrix, which may not change meanwhile", async () => {
    await inParts("imatrix", 3, "--to", "gguf:q4_0", "--imatrix", at("i.gguf"));
    const plan = at("changed.json");
    const matrix = at("copy.gguf");
    writeFileSync(matrix, readFileSync(at("i.gguf")));
    const options = ["--to", "gguf:q4_0", "--imatrix", matrix, "--plan-out", plan, "--quiet"];
    expect((await requant("convert", hf, at("changed.gguf"), ...options)).status).toBe(0);
    writeFileSync(matrix, readFileSync(at("stats.safetensors")));
    const { status, err } = await requant("run", plan, "--part", "1/1");
    expect(status).toBe(2);
    expect(err).toContain("has changed since the plan was saved");
  }, 60_000);

  it("with statistics and scales, which stay beside the plan", async () => {
    await inParts("awq", 2, "--to", "awq:gemm-128g", "--calibrate", at("stats.safetensors"));
    expect(readdirSync(folder)).toContain("awq.json.scales.safetensors");
  }, 120_000);

  it("with shards and an index", async () => {
    await inParts("shards", 4, "--to", "safetensors:f16", "--shard-size", "1MB");
  }, 60_000);
});

describe("run", () => {
  it("after it was killed goes on", async () => {
    const model = at("m.gguf");
    const shape = ["--layers", "2", "--embedding", "512", "--vocabulary", "4096"];
    execFileSync(process.execPath, [join(root, "scripts/make-model.mjs"), model, ...shape]);
    const plan = at("killed.json");
    await requant("convert", model, at("killed", "x.gguf"), "--to", "iq3_s", "--plan-out", plan, "--quiet");
    const bin = join(root, "packages/cli/src/bin.ts");
    const args = ["--conditions=@requant/source", "--no-warnings", bin, "run", plan, "--part", "1/1"];
    const child = spawn(process.execPath, args, { stdio: "ignore" });
    const isBegun = (): boolean =>
      existsSync(at("killed")) && readdirSync(at("killed")).some((name) => name.endsWith(".requant-parts"));
    while (!isBegun()) await new Promise((done) => setTimeout(done, 5));
    child.kill("SIGKILL");
    await once(child, "close");
    expect(await requant("run", plan, "--part", "2/2")).toMatchObject({ status: 0 });
    const early = await requant("finish", plan);
    expect(early.status).toBe(2);
    expect(early.err).toContain("it lacks part 1/2");
    expect(await requant("run", plan, "--part", "1/2")).toMatchObject({ status: 0 });
    expect((await requant("finish", plan, "--quiet")).status).toBe(0);
    await requant("convert", model, at("whole.gguf"), "--to", "iq3_s", "--quiet");
    expect(readdirSync(at("killed"))).toEqual(["x.gguf"]);
    expect(readFileSync(at("killed", "x.gguf")).equals(readFileSync(at("whole.gguf")))).toBe(true);
    // late parts and a second finish are told, and change nothing
    expect((await requant("run", plan, "--part", "2/2")).out).toContain("finished already");
    expect((await requant("finish", plan, "--quiet")).status).toBe(0);
  }, 120_000);

  it("answers in lines of JSON to a program that asks for parts", async () => {
    const plan = at("lines.json");
    await requant("convert", hf, at("lines.gguf"), "--to", "q8_0", "--plan-out", plan, "--quiet");
    let out = "";
    const streams = {
      input: Readable.from(["2/2\n\nnone\n", "1/2\n"]),
      out: { write: (text: string | Uint8Array) => (out += text.toString()) },
      err: { write: () => true },
    };
    expect(await main(["run", plan, "--part", "-"], streams)).toBe(2);
    const answers = out
      .trim()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    expect(answers).toMatchObject([
      { part: 2, count: 2, state: "made" },
      { error: { code: "USAGE" } },
      { part: 1, count: 2, state: "made" },
    ]);
    expect((await requant("finish", plan, "--quiet")).status).toBe(0);
  });

  it.each([
    ["0/4", "no part 0 of 4"],
    ["5/4", "no part 5 of 4"],
    ["1", "is no part of a plan"],
    ["1/0", "into 0 parts"],
    ["-1/4", "is no part of a plan"],
  ])("refuses part %s", async (part, words) => {
    const { status, err } = await requant("run", at("none.json"), "--part", part);
    expect(status).toBe(2);
    expect(err).toContain(words);
  });

  it("refuses a plan that was changed, and a file that is none", async () => {
    const plan = at("edited.json");
    await requant("convert", hf, at("edited.gguf"), "--to", "q8_0", "--plan-out", plan, "--quiet");
    writeFileSync(plan, readFileSync(plan, "utf8").replace("edited.gguf", "another.gguf"));
    expect(await requant("run", plan, "--part", "1/1")).toMatchObject({ status: 3 });
    expect(await requant("run", join(hf, "config.json"), "--part", "1/1")).toMatchObject({ status: 3 });
    expect(await requant("finish", at("no-such.json"))).toMatchObject({ status: 4 });
  });

  it("refuses another plan than the one that is expected", async () => {
    const plan = at("expected.json");
    await requant("convert", hf, at("expected.gguf"), "--to", "q8_0", "--plan-out", plan, "--quiet");
    const { status, err } = await requant("run", plan, "--part", "1/1", "--id", "0".repeat(64));
    expect(status).toBe(2);
    expect(err).toContain("another plan");
  });
});

describe("finish", () => {
  it("says what is finished already, with the file and without errors", async () => {
    const plan = at("twice.json");
    await requant("convert", hf, at("twice.gguf"), "--to", "q4_0", "--plan-out", plan, "--quiet");
    await requant("run", plan, "--part", "1/1", "--quiet");
    const first = await requant("finish", plan);
    expect(first.out).toMatch(/output +\S*twice\.gguf/);
    expect(first.out).not.toContain("finished already");
    const second = await requant("finish", plan);
    expect(second).toMatchObject({ status: 0 });
    expect(second.out).toContain("The output is finished already.");
    expect(second.out).toMatch(/output +\S*twice\.gguf/);
    const report: unknown = JSON.parse((await requant("finish", plan, "--json")).out);
    expect(report).toMatchObject({ finishedAlready: true, warnings: [] });
    expect(JSON.stringify(report)).not.toMatch(/"(?:rmse|relativeRmse|maxAbsError|seconds)"/);
  });

  it("and run name the ways out where another file has the output's name", async () => {
    const plan = at("foreign.json");
    await requant("convert", hf, at("foreign.gguf"), "--to", "q8_0", "--plan-out", plan, "--quiet");
    writeFileSync(at("foreign.gguf"), "another file");
    for (const args of [
      ["finish", plan],
      ["run", plan, "--part", "1/1"],
    ]) {
      const { status, err } = await requant(...args);
      expect(status).toBe(4);
      expect(err).toContain("Move that file away, or save the plan again with --overwrite.");
    }
  });
});

describe("finish --abort", () => {
  it("says whether parts, a finished output or nothing was there", async () => {
    const plan = at("abort.json");
    const args = ["--to", "q8_0", "--plan-out", plan, "--quiet"];
    await requant("convert", hf, at("abort", "x.gguf"), ...args);
    const abort = (words: string): object => ({ status: 0, err: `requant: ${words}\n` });
    const nothing = abort("There is nothing to remove: no part has made anything.");
    expect(await requant("finish", plan, "--abort")).toMatchObject(nothing);
    expect(await requant("run", plan, "--part", "1/2")).toMatchObject({ status: 0 });
    expect(await requant("finish", plan, "--abort")).toMatchObject(
      abort("What the parts have made is removed."),
    );
    expect(await requant("finish", plan, "--abort")).toMatchObject(nothing);
    expect(await requant("run", plan, "--part", "1/1")).toMatchObject({ status: 0 });
    expect(await requant("finish", plan)).toMatchObject({ status: 0 });
    expect(await requant("finish", plan, "--abort")).toMatchObject(
      abort("There is nothing to remove: the output is finished, and stays."),
    );
    expect(existsSync(at("abort", "x.gguf"))).toBe(true);
  });
});

describe("--part", () => {
  it("tells a part without work, and the most parts", async () => {
    const plan = at("many.json");
    await requant("convert", hf, at("many.gguf"), "--to", "q8_0", "--plan-out", plan, "--quiet");
    const idle = await requant("run", plan, "--part", "1000000/1000000");
    expect(idle).toMatchObject({ status: 0, out: expect.stringContaining("nothing to do") });
    expect(idle.out).not.toContain("made already");
    const { status, err } = await requant("run", plan, "--part", "1/1000000000");
    expect(status).toBe(2);
    expect(err).toContain("Give a number from 1 to 10000000.");
  });
});

describe("a plan of a source", () => {
  it.each(["config.json", "tokenizer.json"])("whose %s was changed is refused", async (name) => {
    const [source, plan] = [at(`side-${name}`), at(`plan-${name}`)];
    cpSync(hf, source, { recursive: true, preserveTimestamps: true });
    await requant("convert", source, at("side.gguf"), "--to", "q8_0", "--plan-out", plan, "--quiet");
    writeFileSync(join(source, name), `${readFileSync(join(source, name), "utf8")}\n`);
    const { status, err } = await requant("run", plan, "--part", "1/1");
    expect(status).toBe(2);
    expect(err).toContain("has changed since the plan was saved");
    expect(err).toContain(name);
  });
});

describe("a plan of a source on a server", () => {
  it("is refused when the server's file has changed, and made when it has not", async () => {
    const files = new Map(
      readdirSync(hf).map((name) => [`/${name}`, new Uint8Array(readFileSync(join(hf, name)))]),
    );
    let etag = '"one"';
    const server = await serveFiles(
      (path) => files.get(path),
      (asked, response, bytes, count) => {
        const writeHead = response.writeHead.bind(response);
        response.writeHead = ((status: number, headers: object) =>
          writeHead(status, { ...headers, etag })) as typeof response.writeHead;
        honest(asked, response, bytes, count);
      },
    );
    try {
      const [output, plan] = [at("served.gguf"), at("served.json")];
      await requant("convert", server.url, output, "--to", "q8_0", "--plan-out", plan, "--quiet");
      expect((await requant("run", plan, "--part", "1/2")).status).toBe(0);
      etag = '"two"';
      const { status, err } = await requant("run", plan, "--part", "2/2");
      expect(status).toBe(2);
      expect(err).toContain("has changed since the plan was saved");
      expect(existsSync(output)).toBe(false);
    } finally {
      server.close();
    }
  });
});

describe("--plan-out", () => {
  it.each([
    [["--plan"], "--plan-out and --plan"],
    [["--resume"], "--plan-out and --resume"],
    [["--dry-run"], "--plan-out and --dry-run"],
    [["--jobs", "2"], "--plan-out and --jobs"],
    [["--no-verify"], "--plan-out and --no-verify"],
    [["--calibrate", "builtin"], "statistics that are made already"],
  ])("is refused with %j", async (options, words) => {
    const args = ["--to", "gptq:4bit-128g-sym", "--plan-out", at("no.json"), ...options];
    const { status, err } = await requant("convert", hf, at("no"), ...args);
    expect(status).toBe(2);
    expect(err).toContain(words);
    expect(existsSync(at("no.json"))).toBe(false);
  });

  it("is refused for standard output as the plan", async () => {
    const { status, err } = await requant("convert", hf, at("n.gguf"), "--to", "q8_0", "--plan-out", "-");
    expect(status).toBe(2);
    expect(err).toContain("not written to standard output");
    expect(existsSync("-")).toBe(false);
  });

  it.each(["s3://bucket/plan.json", "https://example.org/plan.json", "hf:me/plan.json"])(
    "is refused for the address %s as the plan",
    async (plan) => {
      const args = ["--to", "q8_0", "--plan-out", plan];
      const { status, err } = await requant("convert", hf, at("address.gguf"), ...args);
      expect(status).toBe(2);
      expect(err).toContain("copy the file to where all machines read it");
      expect(existsSync("s3:")).toBe(false);
    },
  );

  it("is refused over a file of the source, in its folder, and over the output, also by a link", async () => {
    const source = at("own-source");
    cpSync(hf, source, { recursive: true });
    symlinkSync(source, at("link"));
    const config = readFileSync(join(source, "config.json"));
    const output = at("same.gguf");
    const matrix = readFileSync(at("i.gguf"));
    const shape = ["--to", "gguf:q4_0", "--imatrix", at("i.gguf"), "--overwrite"];
    const places = [join(source, "config.json"), at("link", "config.json"), join(source, "new.json")];
    for (const plan of [...places, at("i.gguf"), output]) {
      const { status, err } = await requant("convert", source, output, ...shape, "--plan-out", plan);
      expect(err).toContain(plan === output ? "the same path" : "over a file of the source");
      expect(status).toBe(2);
    }
    expect(readFileSync(join(source, "config.json")).equals(config)).toBe(true);
    expect(readFileSync(at("i.gguf")).equals(matrix)).toBe(true);
    expect([existsSync(output), existsSync(join(source, "new.json"))]).toEqual([false, false]);
  });

  it("with --quiet prints nothing on standard output", async () => {
    const args = ["--to", "q8_0", "--plan-out", at("quiet.json"), "--quiet"];
    const expected = { status: 0, out: "", err: "" };
    expect(await requant("convert", hf, at("quiet.gguf"), ...args)).toMatchObject(expected);
  });

  it("is refused for standard output and the hub, for S3 without keys, and for an output that exists", async () => {
    const plan = ["--to", "q8_0", "--plan-out", at("no.json")];
    const hub = await requant("convert", hf, "hf:me/new", ...plan);
    expect(hub.status).toBe(2);
    expect(hub.err).toContain("Parts cannot be written to the hub");
    const bucket = await requant("convert", hf, "s3://bucket/out", ...plan);
    expect(bucket.status).toBe(2);
    expect(bucket.err).toContain("AWS_SECRET_ACCESS_KEY are not set");
    expect(await requant("convert", hf, "-", ...plan)).toMatchObject({ status: 2 });
    writeFileSync(at("taken.gguf"), "");
    expect(await requant("convert", hf, at("taken.gguf"), ...plan)).toMatchObject({ status: 4 });
    expect(existsSync(at("no.json"))).toBe(false);
  });
});

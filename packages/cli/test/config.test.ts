/** Defaults from files. Oracle: what the commands do and say with the same options on the command line. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { buildProgram } from "../src/args.ts";
import { configPlaces } from "../src/config/places.ts";
import { whyRefused } from "../src/config/rules.ts";
import { startUpdateNotice } from "../src/update-notice.ts";
import { requant } from "./run.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
// the working folder is asked for by its real path
const root = realpathSync(mkdtempSync(join(tmpdir(), "requant-config-")));
const project = join(root, "work");
const user = join(root, "config", "requant");
const before = process.cwd();
const projectFile = join(project, "requant.config.json");
const userFile = join(user, "config.json");

beforeEach(() => {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(project, { recursive: true });
  mkdirSync(user, { recursive: true });
  process.chdir(project);
  vi.stubEnv("XDG_CONFIG_HOME", join(root, "config"));
});
afterEach(() => {
  process.chdir(before);
  vi.unstubAllEnvs();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const { signal } = new AbortController();
const write = (path: string, config: unknown): void =>
  writeFileSync(path, typeof config === "string" ? config : JSON.stringify(config));

/** Target and defaults of a plan. */
async function planned(...argv: string[]): Promise<{ target: string; defaults: unknown }> {
  const { status, out, err } = await requant("plan", hf, ...argv, "--json");
  expect({ status, err }).toEqual({ status: 0, err: "" });
  const { target, defaults } = JSON.parse(out);
  return { target: target.text, defaults };
}

describe("defaults from files", () => {
  it("the folder's file wins over the user's, the command's section over the whole, the command line over all", async () => {
    write(userFile, { to: "gguf:q4_0" });
    expect((await planned()).target).toBe("gguf:q4_0");
    write(userFile, { to: "gguf:q4_0", plan: { to: "gguf:q4_1" } });
    expect((await planned()).target).toBe("gguf:q4_1");
    write(projectFile, { to: "gguf:q5_0" });
    expect((await planned()).target).toBe("gguf:q5_0");
    write(projectFile, { to: "gguf:q5_0", plan: { to: "gguf:q5_1" }, convert: { to: "gguf:f16" } });
    expect((await planned()).target).toBe("gguf:q5_1");
    expect(await planned("--to", "gguf:q8_0")).toEqual({ target: "gguf:q8_0", defaults: undefined });
    expect((await requant("plan", hf, "--no-config", "--json")).status).toBe(2);
  });

  it("are named: for people on standard error, for scripts in the document", async () => {
    write(projectFile, { to: "gguf:q8_0", pure: true, jobs: 2 });
    const { out, err, status } = await requant("plan", hf);
    expect(status).toBe(0);
    expect(err).toBe(
      `requant: Defaults from ${projectFile}: --to gguf:q8_0, --pure. --no-config leaves them out.\n`,
    );
    expect(out).not.toContain("efaults from");
    expect((await planned()).defaults).toEqual([
      { option: "--to", value: "gguf:q8_0", file: projectFile },
      { option: "--pure", value: true, file: projectFile },
    ]);
    expect((await requant("plan", hf, "--quiet")).err).toBe("");
  });

  it("are named even where a file says that a command is quiet", async () => {
    write(userFile, { quiet: true });
    write(projectFile, { to: "gguf:q8_0" });
    expect((await requant("plan", hf)).err).toBe(
      `requant: Defaults from ${userFile}: --quiet. --no-config leaves them out.\nrequant: Defaults from ${projectFile}: --to gguf:q8_0. --no-config leaves them out.\n`,
    );
    expect((await requant("plan", hf, "--quiet")).err).toBe("");
  });

  it("of a folder are those of a list alone: every other option is refused there", async () => {
    const program = buildProgram({ out: { write: () => {} }, err: { write: () => {} } }, signal, () => {});
    const names = new Set(
      program.commands.flatMap(({ options }) =>
        options.map(({ long }) => long?.replace(/^--(no-)?/, "") ?? ""),
      ),
    );
    const allowed = [...names].filter((name) => whyRefused(name, "project") === undefined).sort();
    expect(allowed.join(" ")).toBe(
      "context dtype exact grids jobs keep-split kv leave-output max-size max-tensors memory metadata output-tensor parts pure samples seed shard-size slices target-bpw target-size tensor tensors to token-embedding vram window",
    );
    for (const name of ["abort", "set", "eos"]) {
      expect(whyRefused(name, "user")).toMatchObject({ why: "belongs to one command line" });
    }
    for (const name of ["quiet", "quick", "allow-requantize", "tolerance", "overwrite"]) {
      expect(whyRefused(name, "user")).toBeUndefined();
    }
  });

  it("leave a document without any as it is", async () => {
    const plain = await requant("inspect", hf, "--json");
    write(projectFile, { to: "gguf:q8_0", convert: { jobs: 2 } });
    expect(await requant("inspect", hf, "--json")).toEqual(plain);
  });

  it("are read as options are: numbers, lists, false for --no-verify", async () => {
    write(projectFile, { convert: { tensor: ["ffn_down=q8_0", "attn_q=q8_0"], jobs: 1 } });
    write(userFile, { verify: false });
    const { status, out } = await requant("convert", hf, "out.gguf", "--to", "q4_0", "--json");
    expect(status).toBe(0);
    const { tensors, defaults } = JSON.parse(out);
    const named = (part: string): string[] =>
      tensors.filter(({ name }: { name: string }) => name.includes(part)).map(({ to }: { to: string }) => to);
    expect(new Set([...named("ffn_down"), ...named("attn_q.")])).toEqual(new Set(["Q8_0"]));
    expect(defaults.map(({ option }: { option: string }) => option).sort()).toEqual([
      "--jobs",
      "--no-verify",
      "--tensor",
    ]);
    // the command line's list replaces the file's
    const other = JSON.parse(
      (await requant("plan", hf, "--to", "q4_0", "--tensor", "attn_k=q8_0", "--json")).out,
    );
    expect(other.defaults).toBeUndefined();
  });

  it("a variable of the environment wins over a file", async () => {
    write(userFile, { redis: "redis://127.0.0.1:1" });
    vi.stubEnv("REDIS_URL", "http://not-redis");
    const { err } = await requant("fleet", "status", "--json");
    expect(JSON.parse(err).error.message).not.toContain("127.0.0.1:1");
  });

  it.each([
    ["project", { jbos: 2 }, 'There is no key "jbos". Did you mean jobs?', /The keys are .*\bjobs\b/],
    [
      "project",
      { convert: { shardsize: "5G" } },
      'There is no key "shardsize" in "convert". Did you mean shard-size?',
      /shard-size/,
    ],
    ["project", { convrt: { jobs: 2 } }, 'There is no key "convrt". Did you mean convert?', /The keys/],
    ["user", { json: true }, 'The key "json" belongs to one command line.', /requant help config/],
    [
      "user",
      { convert: { set: ["a=b"] } },
      'The key "convert.set" belongs to one command line.',
      /help config/,
    ],
    ["project", { overwrite: true }, `The key "overwrite" may stand in the user's file only.`, /help config/],
    [
      "project",
      { ui: { host: "0.0.0.0" } },
      `The key "ui.host" may stand in the user's file only.`,
      /help config/,
    ],
    [
      "project",
      { tolerance: "100%" },
      `The key "tolerance" may stand in the user's file only.`,
      /Move it there, or give it on the command line/,
    ],
    ["user", { abort: true }, 'The key "abort" belongs to one command line.', /give --abort/],
    ["project", { finish: { abort: true } }, 'The key "finish.abort" belongs to one command line.', /abort/],
    [
      "project",
      { updateNotice: true },
      `The key "updateNotice" may stand in the user's file only.`,
      /Move it/,
    ],
    [
      "user",
      { HF_TOKEN: "x" },
      'The key "HF_TOKEN" is the name of a secret, which does not belong in this file.',
      /HF_TOKEN/,
    ],
    [
      "user",
      { "api-key": "x" },
      'The key "api-key" is the name of a secret, which does not belong in this file.',
      /environment/,
    ],
    [
      "user",
      { redis: "redis://:word@host" },
      'The value of "redis" has a password, which does not belong in this file.',
      /environment/,
    ],
    ["user", { jobs: "many" }, 'The value of "jobs" is "many".', /whole number/],
    ["user", { jobs: true }, 'The value of "jobs" is true.', /threads/],
    ["user", { pure: "yes" }, 'The value of "pure" is "yes".', /true or false/],
    [
      "user",
      { jobs: null },
      'The value of "jobs" is not a text, a number, true, false or a list of texts.',
      /help config/,
    ],
    ["user", "[1]", "The file of defaults is no JSON object.", /help config/],
    ["user", "{", "The file of defaults is no JSON.", /--no-config/],
  ] as const)("%s file %j is refused", async (owner, config, message, hint) => {
    const file = owner === "user" ? userFile : projectFile;
    write(file, config);
    const { status, err } = await requant("plan", hf, "--to", "q8_0", "--json");
    const { error } = JSON.parse(err);
    expect({ status, message: error.message, path: error.path }).toEqual({ status: 2, message, path: file });
    expect(error.hint).toMatch(hint);
    expect(err).not.toContain(":word@");
    // what helps a person out of it works
    expect((await requant("help", "config")).status).toBe(0);
    expect((await requant("plan", hf, "--to", "q8_0", "--no-config", "--json")).status).toBe(0);
  });

  it("a file in place of a folder, and a folder in place of the file", async () => {
    mkdirSync(projectFile);
    expect(await requant("plan", hf, "--to", "q8_0")).toMatchObject({ status: 2 });
    rmSync(projectFile, { recursive: true });
    rmSync(user, { recursive: true });
    write(user, "");
    expect(await requant("plan", hf, "--to", "q8_0")).toMatchObject({ status: 0 });
  });
});

describe.skipIf(process.platform === "win32")("what is no regular file is refused at once", () => {
  it.each([
    ["a pipe", () => execFileSync("mkfifo", [projectFile])],
    ["a link to a device without an end", () => symlinkSync("/dev/zero", projectFile)],
  ])("%s", async (_, make) => {
    make();
    const { status, err } = await requant("name", "a", "--json");
    const { error } = JSON.parse(err);
    expect({ status, message: error.message, path: error.path }).toEqual({
      status: 2,
      message: "The file of defaults is not a regular file.",
      path: projectFile,
    });
    expect((await requant("name", "a", "--no-config")).status).toBe(1);
  });

  it("a link to a regular file is read", async () => {
    write(join(root, "elsewhere.json"), { to: "gguf:q8_0" });
    symlinkSync(join(root, "elsewhere.json"), projectFile);
    expect((await planned()).target).toBe("gguf:q8_0");
  });
});

describe("places of the files", () => {
  it.each([
    ["linux", { XDG_CONFIG_HOME: "/x" }, "/home/a", "/x/requant/config.json"],
    ["linux", { XDG_CONFIG_HOME: "relative" }, "/home/a", "/home/a/.config/requant/config.json"],
    ["darwin", {}, "/Users/a", "/Users/a/.config/requant/config.json"],
    [
      "win32",
      { APPDATA: "C:\\Users\\a\\AppData\\Roaming" },
      "C:\\Users\\a",
      "C:\\Users\\a\\AppData\\Roaming\\requant\\config.json",
    ],
    ["win32", {}, "C:\\Users\\a", "C:\\Users\\a\\.config\\requant\\config.json"],
    ["linux", {}, "", undefined],
  ] as const)("%s %j", (platform, environment, home, file) => {
    const folder = platform === "win32" ? "D:\\work" : "/project";
    const places = configPlaces({ platform, environment, home, folder });
    expect(places).toEqual([
      ...(file === undefined ? [] : [{ owner: "user", path: file }]),
      {
        owner: "project",
        path: platform === "win32" ? "D:\\work\\requant.config.json" : "/project/requant.config.json",
      },
    ]);
  });
});

describe("the notice of a newer version", () => {
  let asked = 0;
  let answer: unknown = { tag_name: "v9.8.7" };
  let server: Server;
  let address = "";
  let time = 1e12;
  let err = "";

  beforeEach(async () => {
    asked = 0;
    err = "";
    time = 1e12;
    answer = { tag_name: "v9.8.7" };
    server = createServer((_, response) => {
      asked += 1;
      response.end(typeof answer === "string" ? answer : JSON.stringify(answer));
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const where = server.address();
    address = `http://127.0.0.1:${typeof where === "object" ? where?.port : ""}/latest`;
    vi.stubEnv("XDG_CACHE_HOME", join(root, "cache"));
    vi.stubEnv("CI", "");
  });
  afterEach(() => server.close());

  /** One command that is long enough for the answer to come. */
  async function run(
    options: { json?: boolean; quiet?: boolean } = {},
    { isTTY = true, CI = "", version = "1.2.3" } = {},
  ): Promise<void> {
    const streams = {
      out: { write: () => {} },
      err: {
        isTTY,
        write(text: string) {
          err += text;
        },
      },
    };
    const environment = { XDG_CACHE_HOME: join(root, "cache"), CI };
    const check = { address, version, environment, now: () => time };
    await (await startUpdateNotice({ streams, options }, check))();
  }

  it("asks once a day, and says it each time", async () => {
    await run();
    await run();
    expect(asked).toBe(1);
    expect(err).toBe(
      "requant: Version 9.8.7 of requant is there; this is 1.2.3. npm install -g @requant/cli\n".repeat(2),
    );
    time += 25 * 60 * 60 * 1000;
    await run();
    expect(asked).toBe(2);
  });

  it("is silent for the newest version", async () => {
    await run({}, { version: "9.8.7" });
    await run({}, { version: "10.0.0" });
    expect({ asked, err }).toEqual({ asked: 1, err: "" });
  });

  it("never asks for scripts, in CI, or without a terminal", async () => {
    await run({ json: true });
    await run({ quiet: true });
    await run({}, { isTTY: false });
    await run({}, { CI: "true" });
    expect({ asked, err }).toEqual({ asked: 0, err: "" });
  });

  it("prints nothing of an answer that is no version", async () => {
    for (const wrong of ["<html>", { tag_name: "v9.9.9\u001b[2J" }, { tag_name: 9 }, []]) {
      answer = wrong;
      await run();
      time += 25 * 60 * 60 * 1000;
    }
    expect({ asked, err }).toEqual({ asked: 4, err: "" });
  });

  it("says nothing where no server answers", async () => {
    server.close();
    await run();
    expect({ asked, err }).toEqual({ asked: 0, err: "" });
  });

  it("is off without the key: a command does not load it", async () => {
    write(userFile, { jobs: 2 });
    const { err: said } = await requant("plan", hf, "--to", "q8_0");
    expect(said).toBe("");
  });
});

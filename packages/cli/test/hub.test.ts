/** Models of the hub, as people paste their addresses. Oracle: a stand-in hub, the same files on the disk, and @huggingface/hub. */
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { Readable } from "node:stream";
import { scanCacheDir } from "@huggingface/hub";
import type { MetadataValue } from "@requant/core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  commitOf,
  GOOD_TOKEN,
  gitHashOf,
  POOR_TOKEN,
  type StandInHub,
  sha256Of,
  standInHub,
} from "../../../fixtures/stand-in-hub.ts";
import { tinyGguf, tinyMetadata } from "../../../fixtures/tiny-gguf.ts";
import { main } from "../src/main.ts";
import { type Result, requant } from "./run.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-hub-"));
const environment = process.env;
const floats = Object.fromEntries(
  readdirSync(hf).map((name) => [name, new Uint8Array(readFileSync(join(hf, name)))]),
);

/** A model whose name says which file it is. */
function named(name: string): Uint8Array {
  const value: MetadataValue = { type: "string", value: name };
  return tinyGguf(new Map([...tinyMetadata, ["general.name", value]]));
}

let hub: StandInHub;
let home: string;

beforeAll(async () => {
  const whole = join(folder, "whole.gguf");
  writeFileSync(whole, named("split"));
  const parts = join(folder, "parts");
  mkdirSync(parts);
  const { status, err } = await requant("split", whole, parts, "--max-tensors", "5");
  expect(status, err).toBe(0);
  const split = Object.fromEntries(
    readdirSync(parts).map((name) => [
      `F32/m-F32-${/\d{5}-of-\d{5}\.gguf$/.exec(name)?.[0]}`,
      new Uint8Array(readFileSync(join(parts, name))),
    ]),
  );
  const ggufs = {
    "README.md": new TextEncoder().encode("# models"),
    "m-Q4_K_M.gguf": named("four"),
    "m-Q8_0.gguf": named("eight and more"),
    "mmproj-F16.gguf": named("vision"),
    ...split,
  };
  hub = await standInHub({
    "owner/floats": { files: floats },
    "owner/many": { files: ggufs, revisions: ["main", "v2"] },
    "owner/one": { files: { "m.gguf": named("one"), "mmproj-F16.gguf": named("vision") } },
    "owner/gated": { files: ggufs, access: "gated" },
    "owner/private": { files: floats, access: "private" },
  });
});
afterAll(() => {
  hub.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  home = mkdtempSync(join(folder, "home-"));
  hub.asked.length = 0;
  hub.fault = () => false;
  process.env = { ...environment, HF_ENDPOINT: hub.endpoint, HF_HOME: home };
  for (const name of [
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HF_TOKEN_PATH",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
  ])
    delete process.env[name];
});
afterEach(() => {
  process.env = environment;
});

const cacheOf = (repository: string): string => join(home, "hub", `models--${repository.replace("/", "--")}`);
const filesAsked = (): string[] => hub.paths().filter((path) => path.includes("/resolve/"));

async function done(...argv: string[]): Promise<Result> {
  const result = await requant(...argv);
  expect(result.status, result.err).toBe(0);
  return result;
}

async function nameOf(...argv: string[]): Promise<unknown> {
  const { out } = await done("inspect", ...argv, "--metadata", "--json");
  const entries: { key: string; value: unknown }[] = JSON.parse(out).metadata;
  return entries.find(({ key }) => key === "general.name")?.value;
}

async function refused(...argv: string[]): Promise<{ status: number; message: string; hint: string }> {
  const { status, out, err } = await requant(...argv, "--json");
  expect(`${out}${err}`).not.toMatch(/hf_standIn/);
  return { status, ...JSON.parse(err).error };
}

describe("addresses", () => {
  it.each([
    ["owner/one", "one"],
    ["hf:owner/one", "one"],
    ["hf:owner/one/mmproj-F16.gguf", "vision"],
    ["https://huggingface.co/owner/one", "one"],
    ["hf.co/owner/many:q8_0", "eight and more"],
    ["https://huggingface.co/owner/many/blob/v2/m-Q4_K_M.gguf", "four"],
    ["https://huggingface.co/owner/many/resolve/main/m-Q8_0.gguf?download=true", "eight and more"],
    ["https://hf.co/owner/many/tree/main/F32", "split"],
    ["hf:owner/many@v2:Q4_K_M", "four"],
    ["owner/many:F32", "split"],
    ["hf:owner/many/F32/m-F32-00002-of-00003.gguf", "split"],
  ])("%s", async (address, name) => {
    expect(await nameOf(address)).toBe(name);
  });

  it("a path that is there is not looked up", async () => {
    const before = process.cwd();
    mkdirSync(join(home, "owner", "one"), { recursive: true });
    writeFileSync(join(home, "owner", "one", "m.gguf"), named("here"));
    process.chdir(home);
    try {
      expect(await nameOf("owner/one")).toBe("here");
    } finally {
      process.chdir(before);
    }
    expect(hub.asked).toEqual([]);
  });

  it("three requests show what a file is, and no byte is fetched twice", async () => {
    await done("inspect", "hf:owner/one");
    const commit = commitOf("owner/one");
    expect(hub.asked.filter(({ server }) => server === "hub").map(({ path }) => path)).toEqual([
      "/api/models/owner/one/revision/main",
      `/api/models/owner/one/tree/${commit}?recursive=true`,
      `/owner/one/resolve/${commit}/m.gguf`,
    ]);
    expect(
      hub.asked.filter(({ server }) => server === "storage").map(({ headers }) => headers.range),
    ).toEqual(["bytes=0-65535"]);
  });

  it.each([
    ["hf:owner/many:Q5_K_M", 2, /no GGUF file is called "Q5_K_M"/, /^There are Q4_K_M, Q8_0, F32\.$/],
    ["hf:owner/floats:Q4_K_M", 2, /there are no GGUF files/, /Write hf:owner\/floats\.$/],
    ["hf:owner/many/m-Q4_K_S.gguf", 4, /no such file or folder.*m-Q4_K_M\.gguf/, /^Check the name/],
    ["hf:owner/none", 4, /no public repository owner\/none/, /access token.*\(HF_TOKEN, or hf auth login\)/],
    [
      "owner/none",
      4,
      /no such file or directory, and as a repository.*no public/,
      /^Check the path or the name/,
    ],
    ["hf:owner/one@v9", 4, /no branch, tag or commit "v9"/, /tree\/main\.$/],
  ])("%s is refused with a way out", async (address, status, message, hint) => {
    expect(await refused("inspect", address)).toMatchObject({
      status,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });
});

describe("several GGUF models", () => {
  const addresses = ["hf:owner/many:Q4_K_M", "hf:owner/many:Q8_0", "hf:owner/many:F32"];

  it("are listed in the error for scripts", async () => {
    const error = await refused("inspect", "owner/many");
    expect(error.status).toBe(2);
    expect(error.hint).toBe(`Name one of them: ${addresses.join(", ")}.`);
  });

  it("are listed with sizes for people", async () => {
    const { status, out, err } = await requant("inspect", "owner/many");
    expect({ status, out }).toEqual({ status: 2, out: "" });
    const size = named("split").length;
    expect(size).toBeGreaterThan(1000);
    for (const address of addresses) expect(err).toMatch(new RegExp(`${address} +[\\d.]+ [kM]?B +`));
    expect(err).toContain("m-F32-00001-of-00003.gguf and 2 more");
  });

  it.each([
    ["2\n", "eight and more", 1],
    ["nonsense\nq4_k_m\n", "four", 2],
  ])("a person on a terminal is asked, and answers %j", async (answers, name, questions) => {
    const { status, out, err } = await onTerminal(answers, "inspect", "owner/many", "--metadata");
    expect(status, err).toBe(0);
    expect(out).toContain(name);
    expect(err.split("Which one?")).toHaveLength(questions + 1);
  });

  it.each(["\n", ""])("no answer (%j) is wrong usage", async (answers) => {
    const { status, err } = await onTerminal(answers, "inspect", "owner/many");
    expect(status).toBe(2);
    expect(err).toContain("Name one of them, such as hf:owner/many:Q4_K_M.");
  });

  async function onTerminal(answers: string, ...argv: string[]): Promise<Result> {
    const input = Object.assign(Readable.from(answers === "" ? [] : [answers]), { isTTY: true });
    let [out, err] = ["", ""];
    const write =
      (add: (text: string) => void) =>
      (data: string | Uint8Array): void =>
        add(String(data));
    const status = await main(argv, {
      input,
      out: { write: write((text) => (out += text)) },
      err: { write: write((text) => (err += text)), isTTY: true },
    });
    return { status, out, err };
  }
});

describe("a conversion", () => {
  const made = (name: string): string => join(home, name);
  const asGguf = ["--to", "gguf:q8_0", "--set", "general.name=str:same"];

  it("from the hub makes the same bytes, keeps no copy, and asks storage alone after the first answer", async () => {
    await done("convert", "owner/floats", made("there.gguf"), ...asGguf, "--jobs", "2");
    await done("convert", hf, made("here.gguf"), ...asGguf);
    expect(readFileSync(made("there.gguf")).equals(readFileSync(made("here.gguf")))).toBe(true);
    expect(existsSync(join(home, "hub"))).toBe(false);
    const resolved = filesAsked().filter((path) => path.includes("model.safetensors"));
    // one for each worker that opened the file, and one for the main thread
    expect(resolved.length).toBeLessThanOrEqual(4);
    expect(hub.asked.filter(({ server }) => server === "storage").length).toBeGreaterThan(4);
  });

  it("with --cache downloads once, as hf lays it out, and then reads the disk", async () => {
    await done("convert", "owner/floats", made("first.gguf"), ...asGguf, "--cache");
    const cache = cacheOf("owner/floats");
    const commit = commitOf("owner/floats");
    expect(readFileSync(join(cache, "refs", "main"), "utf8")).toBe(commit);
    expect(readdirSync(join(cache, "snapshots", commit)).sort()).toEqual(Object.keys(floats).sort());
    for (const [name, bytes] of Object.entries(floats)) {
      const hash = name.endsWith(".safetensors") ? sha256Of(bytes) : gitHashOf(bytes);
      expect(readlinkSync(join(cache, "snapshots", commit, name))).toBe(join("..", "..", "blobs", hash));
      expect(Buffer.compare(readFileSync(join(cache, "blobs", hash)), bytes)).toBe(0);
    }
    expect(readdirSync(join(cache, "blobs"))).toHaveLength(Object.keys(floats).length);
    const { repos, warnings } = await scanCacheDir(join(home, "hub"));
    expect(warnings).toEqual([]);
    expect(
      repos.map(({ id, filesCount, revisions }) => [id, filesCount, revisions.map(({ refs }) => refs)]),
    ).toEqual([[{ name: "owner/floats", type: "model" }, Object.keys(floats).length, [["main"]]]]);
    hub.asked.length = 0;
    for (const options of [[], ["--cache"]])
      await done("convert", "owner/floats", made(`next${options.length}.gguf`), ...asGguf, ...options);
    expect(filesAsked()).toEqual([]);
    await done("convert", hf, made("here.gguf"), ...asGguf);
    for (const name of ["first", "next0", "next1"])
      expect(readFileSync(made(`${name}.gguf`)).equals(readFileSync(made("here.gguf"))), name).toBe(true);
  });
});

describe("the cache", () => {
  /** As hf leaves it: a blob, a link to it, and a reference. */
  function fill(repository: string, files: Readonly<Record<string, Uint8Array>>): void {
    const cache = cacheOf(repository);
    for (const [path, bytes] of Object.entries(files)) {
      const hash = /\.(gguf|safetensors)$/.test(path) ? sha256Of(bytes) : gitHashOf(bytes);
      const name = join(cache, "snapshots", commitOf(repository), path);
      mkdirSync(dirname(name), { recursive: true });
      mkdirSync(join(cache, "blobs"), { recursive: true });
      writeFileSync(join(cache, "blobs", hash), bytes);
      symlinkSync(join(...path.split("/").map(() => ".."), "..", "blobs", hash), name);
    }
    mkdirSync(join(cache, "refs"), { recursive: true });
    writeFileSync(join(cache, "refs", "main"), commitOf(repository));
  }

  it("is read first, file by file, and --no-cache leaves it alone", async () => {
    const { "model.safetensors": weights, ...small } = floats;
    if (weights === undefined) throw new Error("no weights");
    fill("owner/floats", small);
    await done("inspect", "owner/floats");
    expect([...new Set(filesAsked().map((path) => path.split(" ")[0]?.split("/").at(-1)))]).toEqual([
      "model.safetensors",
    ]);
    fill("owner/one", { "m.gguf": named("one") });
    hub.asked.length = 0;
    await done("inspect", "owner/one");
    expect(filesAsked()).toEqual([]);
    await done("inspect", "owner/one", "--no-cache");
    expect(filesAsked()).toHaveLength(1);
  });

  it("alone is read offline", async () => {
    fill("owner/many", { "m-Q4_K_M.gguf": named("four"), "m-Q8_0.gguf": named("eight and more") });
    process.env["HF_HUB_OFFLINE"] = "1";
    expect(await nameOf("owner/many:Q4_K_M")).toBe("four");
    expect(await nameOf(`hf:owner/many@${commitOf("owner/many")}/m-Q8_0.gguf`)).toBe("eight and more");
    expect(await refused("inspect", "hf:owner/many@v2:Q4_K_M")).toMatchObject({ status: 4 });
    expect(await refused("inspect", "hf:owner/one")).toMatchObject({
      status: 4,
      message: "hf:owner/one is not in the download cache.",
      hint: expect.stringMatching(/hf download owner\/one/),
    });
    expect(await refused("inspect", "hf:owner/many@../../x")).toMatchObject({ status: 4 });
    fill("owner/floats", floats);
    await done("convert", "owner/floats", join(home, "x.gguf"), "--to", "gguf:q8_0");
    expect(await nameOf(join(home, "x.gguf"))).toBe("Floats");
    expect(hub.asked).toEqual([]);
  });

  it("is read where the hub cannot be reached", async () => {
    fill("owner/one", { "m.gguf": named("one") });
    process.env["HF_ENDPOINT"] = "http://127.0.0.1:9";
    const { err } = await done("inspect", "owner/one");
    expect(err).toContain("note: The hub cannot be reached");
    expect(await refused("inspect", "owner/floats")).toMatchObject({ status: 4 });
  }, 30_000);

  it("goes on where an interrupted download ended", async () => {
    const bytes = floats["model.safetensors"] ?? new Uint8Array();
    const cache = cacheOf("owner/floats");
    mkdirSync(join(cache, "blobs"), { recursive: true });
    const partial = join(cache, "blobs", `${sha256Of(bytes)}.requant.incomplete`);
    writeFileSync(partial, bytes.subarray(0, 3_000_000));
    await done("inspect", "owner/floats", "--cache");
    expect(existsSync(partial)).toBe(false);
    expect(Buffer.compare(readFileSync(join(cache, "blobs", sha256Of(bytes))), bytes)).toBe(0);
    const starts = hub.asked
      .filter(({ server, path }) => server === "storage" && path.includes(sha256Of(bytes)))
      .map(({ headers }) => Number(/^bytes=(\d+)/.exec(headers.range ?? "")?.[1]));
    // the first bytes show the length; the rest begins where the file on the disk ends
    expect(starts).toEqual([0, 3_000_000]);
  });

  it("survives cut bodies, busy servers and expired links in one download", async () => {
    const faults = [503, "cut", 403, 429];
    hub.fault = ({ server }, response) => {
      if (server !== "storage") return false;
      const fault = faults.shift();
      if (fault === undefined) return false;
      if (typeof fault === "number") response.writeHead(fault, { "retry-after": "0" }).end();
      else response.destroy();
      return true;
    };
    await done("inspect", "owner/floats", "--cache");
    expect(faults).toEqual([]);
    const { "model.safetensors": bytes = new Uint8Array() } = floats;
    const blob = join(cacheOf("owner/floats"), "blobs", sha256Of(bytes));
    expect(createHash("sha256").update(readFileSync(blob)).digest("hex")).toBe(sha256Of(bytes));
  });

  it("takes no bytes with another hash", async () => {
    const { "model.safetensors": bytes = new Uint8Array() } = floats;
    hub.fault = ({ server, path, headers }, response) => {
      if (server !== "storage" || !path.includes(sha256Of(bytes))) return false;
      const [, start = "0", last = "0"] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
      const end = Math.min(Number(last) + 1, bytes.length);
      response
        .writeHead(206, { "content-range": `bytes ${start}-${end - 1}/${bytes.length}`, etag: '"x"' })
        .end(new Uint8Array(end - Number(start)));
      return true;
    };
    const error = await refused("inspect", "owner/floats", "--cache");
    expect(error).toMatchObject({ status: 4, message: expect.stringContaining(sha256Of(bytes)) });
    const blobs = readdirSync(join(cacheOf("owner/floats"), "blobs"));
    expect(blobs.filter((name) => name.includes(sha256Of(bytes)))).toEqual([]);
  });

  it("gets a split set whole, and nothing else", async () => {
    await done("inspect", "hf:owner/many:F32", "--cache");
    const snapshot = join(cacheOf("owner/many"), "snapshots", commitOf("owner/many"));
    expect(readdirSync(snapshot)).toEqual(["F32"]);
    expect(readdirSync(join(snapshot, "F32")).sort()).toEqual(
      [1, 2, 3].map((part) => `m-F32-0000${part}-of-00003.gguf`),
    );
    expect(lstatSync(join(snapshot, "F32", "m-F32-00001-of-00003.gguf")).isSymbolicLink()).toBe(true);
  });
});

describe("a hostile hub", () => {
  it.each(["../../../evil.json", "..\\evil.json", "/evil.json"])("writes nothing to %s", async (path) => {
    hub.fault = (asked, response) => {
      if (!asked.path.includes("/tree/")) return false;
      const entry = { type: "file", oid: "0".repeat(40), size: 1, path };
      response.end(JSON.stringify([{ ...entry, path: "model.safetensors" }, entry]));
      return true;
    };
    expect([3, 4]).toContain((await refused("inspect", "owner/floats", "--cache")).status);
    expect(readdirSync(folder, { recursive: true }).filter((name) => String(name).includes("evil"))).toEqual(
      [],
    );
  });

  it("cannot name a file by a revision that leads out of the cache", async () => {
    hub.fault = (asked, response) => {
      if (!asked.path.includes("/revision/")) return false;
      response.end(JSON.stringify({ sha: commitOf("owner/floats") }));
      return true;
    };
    await done("inspect", "https://huggingface.co/owner/floats/tree/..%2F..%2F..%2Fevil", "--cache");
    expect(readdirSync(home, { recursive: true }).filter((name) => String(name).includes("evil"))).toEqual(
      [],
    );
  });
});

describe("tokens", () => {
  it.each([
    ["HF_TOKEN", () => ({ HF_TOKEN: GOOD_TOKEN })],
    [
      "the file of hf auth login",
      () => {
        writeFileSync(join(home, "token"), `${GOOD_TOKEN}\n`);
        return {};
      },
    ],
    [
      "HF_TOKEN_PATH",
      () => {
        writeFileSync(join(home, "other"), GOOD_TOKEN);
        return { HF_TOKEN_PATH: join(home, "other") };
      },
    ],
  ])("%s opens gated and private repositories, and goes to the hub alone", async (_, set) => {
    Object.assign(process.env, set());
    for (const model of ["owner/gated:Q8_0", "owner/private"]) {
      const { out, err } = await done("inspect", model, "--json");
      expect(`${out}${err}`).not.toContain(GOOD_TOKEN);
    }
    await done("convert", "owner/private", join(home, "x.gguf"), "--to", "gguf:q8_0");
    const sent = (server: string): Set<unknown> =>
      new Set(hub.asked.filter((each) => each.server === server).map(({ headers }) => headers.authorization));
    expect(sent("hub")).toEqual(new Set([`Bearer ${GOOD_TOKEN}`]));
    expect(sent("storage")).toEqual(new Set([undefined]));
  });

  it.each([
    [
      "no token",
      {},
      "owner/gated:Q8_0",
      /is gated: only accounts/,
      /Accept the conditions on .*\(HF_TOKEN, or hf auth login\)/,
    ],
    [
      "a token without access",
      { HF_TOKEN: POOR_TOKEN },
      "owner/gated:Q8_0",
      /may not read it yet/,
      /Ask for access on/,
    ],
    [
      "a token without access",
      { HF_TOKEN: POOR_TOKEN },
      "hf:owner/private",
      /may not read it/,
      /a token that may read it/,
    ],
    [
      "an old token",
      { HF_TOKEN: "hf_standInOld" },
      "owner/one",
      /does not accept the access token/,
      /settings\/tokens/,
    ],
    [
      "implicit tokens off",
      { HF_TOKEN: GOOD_TOKEN, HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" },
      "hf:owner/private",
      /no public repository/,
      /HF_TOKEN/,
    ],
  ])("%s: %o, %s is refused with a way out", async (_, set, address, message, hint) => {
    Object.assign(process.env, set);
    expect(await refused("inspect", address)).toMatchObject({
      status: 4,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });
});

/** The hub as an output, through the hub's own library, to a stand-in hub. The bytes must be those of a local conversion. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, type Stats, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import {
  GOOD_TOKEN,
  POOR_TOKEN,
  type StandInHub,
  sha256Of,
  standInHub,
} from "../../../fixtures/stand-in-hub.ts";
import { type Result, requant } from "./run.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-hub-output-"));
const local = { gguf: join(folder, "m.gguf"), safetensors: join(folder, "dir") };
const environment = process.env;
const SHARDS = ["--to", "safetensors:f16", "--shard-size", "2MB"];
const CARD = "---\nlicense: mit\nlanguage:\n- en\n---\n# Source\n";
let hub: StandInHub;
let home: string;

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const source = (): Record<string, Uint8Array> => ({
  ...Object.fromEntries(readdirSync(hf).map((name) => [name, new Uint8Array(readFileSync(join(hf, name)))])),
  "README.md": bytesOf(CARD),
});

beforeAll(async () => {
  for (const args of [
    [local.gguf, "--to", "gguf:q8_0"],
    [local.safetensors, ...SHARDS],
  ]) {
    const { status, err } = await requant("convert", hf, ...args);
    expect(status, err).toBe(0);
  }
});
beforeEach(async () => {
  hub = await standInHub(
    {
      "owner/floats": { files: source() },
      "me/there": { files: { "README.md": bytesOf("# Mine\n\nMy words.\n") } },
    },
    { partByteLength: 1024 * 1024 },
  );
  home = mkdtempSync(join(folder, "home-"));
  process.env = {
    ...environment,
    HF_ENDPOINT: hub.endpoint,
    HF_TOKEN: GOOD_TOKEN,
    HF_HOME: home,
    XDG_CACHE_HOME: home,
  };
});
afterEach(() => {
  hub.close();
  process.env = environment;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const left = (): string[] => {
  const uploads = join(home, "requant", "uploads");
  return existsSync(uploads) ? readdirSync(uploads) : [];
};
const toHub = (output: string, ...args: string[]): Promise<Result> =>
  requant("convert", "hf:owner/floats", output, ...args);

const done = (output: string, ...args: string[]): Promise<Result> => checked(toHub(output, ...args));
/** From the same folder as the local conversions. */
const fromLocal = (output: string, ...args: string[]): Promise<Result> =>
  requant("convert", hf, output, ...args);

async function checked(running: Promise<Result>): Promise<Result> {
  const result = await running;
  expect(result.status, result.err).toBe(0);
  expect(`${result.out}${result.err}`).not.toContain(GOOD_TOKEN);
  return result;
}

/** A file as the hub has it now. */
async function file(repository: string, path: string): Promise<Uint8Array> {
  const response = await fetch(`${hub.endpoint}/${repository}/resolve/main/${path}`, {
    headers: { authorization: `Bearer ${GOOD_TOKEN}` },
  });
  if (response.redirected || response.ok) return new Uint8Array(await response.arrayBuffer());
  throw new Error(`${path}: ${response.status}`);
}

const cardOf = async (repository: string): Promise<string> =>
  new TextDecoder().decode(await file(repository, "README.md"));

describe("convert to hf:", () => {
  it("makes the repository, sends the file in parts and commits it with a card", async () => {
    const { out } = await done("hf:me/new-GGUF", "--to", "gguf:q8_0", "--private");
    expect(out).toContain("hf:me/new-GGUF/");
    expect(hub.writes.made).toEqual([{ name: "me/new-GGUF", visibility: "private" }]);
    expect(hub.writes.commits).toHaveLength(1);
    const [name = ""] = hub.writes.commits[0]?.paths ?? [];
    expect(name).toMatch(/\.gguf$/);
    expect(hub.writes.objects.has(sha256Of(await file("me/new-GGUF", name)))).toBe(true);
    const card = await cardOf("me/new-GGUF");
    expect(card).toMatch(
      /^---\nlicense: mit\nlanguage:\n- en\nbase_model: owner\/floats\nbase_model_relation: quantized\ntags:\n- requant\n---\n/,
    );
    expect(card).toMatch(/\| Q8_0 \| \d+ \| 0\.\d+ % \| 0\.\d+ % \|/);
    expect(card).toContain(`llama-cli --hf-repo me/new-GGUF --hf-file ${name}`);
    expect(left()).toEqual([]);
  });

  it("the bytes are those of a local conversion", async () => {
    await checked(fromLocal("hf:me/there/sub/m.gguf", "--to", "gguf:q8_0"));
    expect(Buffer.from(await file("me/there", "sub/m.gguf")).equals(readFileSync(local.gguf))).toBe(true);
    const verified = await requant("verify", "hf:me/there/sub/m.gguf", local.gguf);
    expect(verified.status, verified.err).toBe(0);
  });

  it("a set of files is committed one by one, small files and card last", async () => {
    await checked(fromLocal("hf:me/dir", ...SHARDS));
    const names = readdirSync(local.safetensors);
    const shards = names.filter((name) => name.endsWith(".safetensors"));
    expect(shards.length).toBeGreaterThan(2);
    expect(hub.writes.commits).toHaveLength(shards.length);
    expect(hub.writes.commits.slice(0, -1).every(({ paths }) => paths.length === 1)).toBe(true);
    expect(hub.writes.commits.at(-1)?.paths).toEqual(
      expect.arrayContaining(["config.json", "model.safetensors.index.json", "README.md"]),
    );
    for (const name of names) {
      const bytes = readFileSync(join(local.safetensors, name));
      expect(Buffer.from(await file("me/dir", name)).equals(bytes), name).toBe(true);
    }
  });

  it("an existing README keeps its words, and a second conversion replaces only Requant's section", async () => {
    await done("hf:me/there/a.gguf", "--to", "gguf:q8_0");
    await done("hf:me/there/b.gguf", "--to", "gguf:q4_0");
    const card = await cardOf("me/there");
    expect(card).toContain("# Mine\n\nMy words.\n");
    expect(card.match(/requant: begin/g)).toHaveLength(1);
    expect(card).toContain("`gguf:q4_0`");
    expect(card.match(/^license: mit$/gm)).toHaveLength(1);
  });

  it("--dry-run writes nothing, and shows files and card", async () => {
    const { out } = await done("hf:me/new", "--to", "gguf:q8_0", "--dry-run", "--private");
    expect(out).toMatch(/The repository me\/new would be made, private/);
    expect(out).toContain("base_model: owner/floats");
    expect(hub.asked.filter(({ method }) => method !== "GET" && method !== "HEAD")).toEqual([]);
    expect(left()).toEqual([]);
  });

  it("--stage names the folder where a file lies until it is sent", async () => {
    const stage = join(home, "stage");
    let seen: string[] = [];
    hub.fault = ({ server, method }) => {
      if (server === "storage" && method === "PUT") seen = readdirSync(stage);
      return false;
    };
    await done("hf:me/new/m.gguf", "--to", "gguf:q8_0", "--stage", stage);
    expect(seen).toEqual(["m.gguf"]);
    expect(readdirSync(stage)).toEqual([]);
  });
});

describe("refusals", () => {
  it.each([
    ["no token", { HF_TOKEN: "" }, "hf:me/new", 2, /needs an access token/],
    ["a token that may not write", { HF_TOKEN: POOR_TOKEN }, "hf:me/new", 4, /may not write to me\/new/],
    ["offline", { HF_HUB_OFFLINE: "1" }, "hf:me/new", 2, /HF_HUB_OFFLINE/],
    ["words of a quantization", {}, "hf:me/new:Q8_0", 2, /not a repository/],
  ])("%s", async (_, variables, output, status, message) => {
    Object.assign(process.env, variables);
    const result = await requant("convert", hf, output, "--to", "gguf:q8_0", "--json");
    expect(result.status, result.err).toBe(status);
    expect(JSON.parse(result.err).error.message).toMatch(message);
    expect(result.err).not.toMatch(/hf_standIn/);
    expect(hub.writes.commits).toEqual([]);
  });

  it("a file that is there, unless it may be replaced; and files of another model", async () => {
    await done("hf:me/there/m.gguf", "--to", "gguf:q8_0");
    const again = await toHub("hf:me/there/m.gguf", "--to", "gguf:q4_0");
    expect(again).toMatchObject({ status: 4 });
    expect(again.err).toMatch(/exists already/);
    await done("hf:me/there/m.gguf", "--to", "gguf:q4_0", "--overwrite");
    const mixed = await toHub("hf:me/there", ...SHARDS);
    expect(mixed.status).toBe(2);
    expect(mixed.err).toMatch(/files of another model/);
  });

  it("--private and --stage for other outputs", async () => {
    const result = await requant(
      "convert",
      hf,
      join(home, "x.gguf"),
      "--to",
      "gguf:q8_0",
      "--private",
      "--json",
    );
    expect(result.status).toBe(2);
    expect(JSON.parse(result.err).error.message).toMatch(/--private is for outputs on the hub/);
  });
});

describe("faults", () => {
  it("429 and 500 are asked again", async () => {
    let count = 0;
    hub.fault = ({ method }, response) => {
      if (method === "GET" || count++ % 3 !== 0) return false;
      response.writeHead(count % 2 === 0 ? 429 : 500, { "retry-after": "0" }).end();
      return true;
    };
    await checked(fromLocal("hf:me/new/m.gguf", "--to", "gguf:q8_0"));
    expect(count).toBeGreaterThan(8);
    expect(Buffer.from(await file("me/new", "m.gguf")).equals(readFileSync(local.gguf))).toBe(true);
  });

  it("an expired address of the storage is asked for anew", async () => {
    let expired = 0;
    hub.fault = ({ server, method, path }, response) => {
      if (server !== "storage" || method !== "PUT" || !/secret-1$/.test(path)) return false;
      expired++;
      response
        .writeHead(403)
        .end("<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>");
      return true;
    };
    await done("hf:me/new/m.gguf", "--to", "gguf:q8_0");
    expect(expired).toBeGreaterThan(0);
    expect(hub.writes.commits).toHaveLength(1);
  });

  it("the token goes to the hub alone, and to no server that the hub redirects to", async () => {
    await done("hf:me/new/m.gguf", "--to", "gguf:q8_0");
    const stored = hub.asked.filter(({ server }) => server === "storage");
    expect(stored.length).toBeGreaterThan(2);
    expect(stored.every(({ headers }) => headers.authorization === undefined)).toBe(true);
    const elsewhere = await standInHub({});
    hub.fault = ({ method, path }, response) => {
      if (method !== "POST" || !path.includes("preupload")) return false;
      response.writeHead(307, { location: `${elsewhere.endpoint}/steal` }).end();
      return true;
    };
    const { status, err } = await toHub("hf:me/other/m.gguf", "--to", "gguf:q8_0");
    expect(status).toBe(4);
    expect(err).toMatch(/sends the request elsewhere/);
    expect(err).not.toContain(GOOD_TOKEN);
    expect(elsewhere.asked).toEqual([]);
    elsewhere.close();
  });

  it("an interrupted upload goes on: files that are committed are not made again", async () => {
    let puts = 0;
    hub.fault = ({ server, method }, response) => {
      if (server !== "hub" || method !== "POST" || hub.writes.commits.length < 2 || puts++ > 0) return false;
      response.writeHead(400, { "content-type": "application/json" }).end('{"error":"maintenance"}');
      return true;
    };
    const { status, err } = await fromLocal("hf:me/dir", ...SHARDS);
    expect(status).toBe(4);
    expect(err).toMatch(/maintenance/);
    expect(err).toMatch(/--resume/);
    const before = hub.writes.commits.length;
    expect(before).toBe(2);
    const again = await fromLocal("hf:me/dir", ...SHARDS);
    expect(again.status).toBe(4);
    expect(again.err).toMatch(/exists already/);
    hub.fault = () => false;
    const resumed = await checked(fromLocal("hf:me/dir", ...SHARDS, "--resume", "--json"));
    const whole = await requant("convert", hf, join(home, "again"), ...SHARDS, "--json");
    expect(JSON.parse(resumed.out).tensors).toEqual(JSON.parse(whole.out).tensors);
    const shards = hub.writes.commits.flatMap(({ paths }) =>
      paths.filter((path) => path.endsWith(".safetensors")),
    );
    expect(new Set(shards).size).toBe(shards.length);
    expect(left()).toEqual([]);
    for (const name of readdirSync(local.safetensors)) {
      const bytes = readFileSync(join(local.safetensors, name));
      expect(Buffer.from(await file("me/dir", name)).equals(bytes), name).toBe(true);
    }
  });

  it("a file that was made and not sent is not made again", async () => {
    const stage = join(home, "stage");
    const args = ["hf:me/new/m.gguf", "--to", "gguf:q8_0", "--stage", stage] as const;
    hub.fault = ({ server }, response) => {
      if (server !== "storage") return false;
      response.writeHead(400).end("no");
      return true;
    };
    expect(await fromLocal(...args)).toMatchObject({ status: 4 });
    const before = statSync(join(stage, "m.gguf"));
    let sent: Stats | undefined;
    hub.fault = ({ server }) => {
      if (server === "storage") sent ??= statSync(join(stage, "m.gguf"));
      return false;
    };
    await checked(fromLocal(...args, "--resume"));
    expect([sent?.ino, sent?.mtimeMs]).toEqual([before.ino, before.mtimeMs]);
    expect(Buffer.from(await file("me/new", "m.gguf")).equals(readFileSync(local.gguf))).toBe(true);
  });

  it("a large body is sent in a way that keeps no copy of it: 1 GB takes 0.2 GB of memory, and 2.1 GB otherwise", async () => {
    const sent: RequestInit[] = [];
    const spy = vi.spyOn(globalThis, "fetch");
    await checked(fromLocal("hf:me/new/m.gguf", "--to", "gguf:q8_0"));
    for (const [, init] of spy.mock.calls) if (init?.body instanceof Blob) sent.push(init);
    spy.mockRestore();
    expect(sent.length).toBeGreaterThan(1);
    expect(sent.every(({ redirect, window }) => redirect === "error" && window === null)).toBe(true);
  });
});

/** Several targets to a hub and to S3. The oracle is the output of one local command for each target. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { GOOD_TOKEN, type StandInHub, standInHub } from "../../../fixtures/stand-in-hub.ts";
import { refuse, S3_KEYS, type StandInS3, standInS3 } from "../../../fixtures/stand-in-s3.ts";
import { type Result, requant } from "./run.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-several-remote-"));
const environment = process.env;
const GGUFS = "gguf:q8_0,q4_0";
const MIXED = "gguf:q8_0,safetensors:f16";
/** By the name that a run with several targets gives the file: what the command for its target writes. */
const alone = new Map<string, Buffer>();
/** Of the command for each target. */
const sizes = new Map<string, string>();
let hub: StandInHub;
let server: StandInS3;
let home: string;

beforeAll(async () => {
  for (const [target, name, prefix] of [
    ["gguf:q8_0", "hf-Q8_0.gguf", ""],
    ["gguf:q4_0", "hf-Q4_0.gguf", ""],
    ["safetensors:f16", "", "safetensors-f16/"],
  ] as const) {
    const output = join(folder, target.replace(":", "-"));
    if (name !== "") mkdirSync(output);
    const { status, err } = await requant("convert", hf, join(output, name), "--to", target);
    expect(status, err).toBe(0);
    for (const file of readdirSync(output)) alone.set(prefix + file, readFileSync(join(output, file)));
    sizes.set(target, `${((alone.get(name)?.byteLength ?? 0) / 1e6).toFixed(2)} MB`);
  }
}, 120_000);
beforeEach(async () => {
  hub = await standInHub({}, { partByteLength: 1024 * 1024 });
  server = await standInS3("bucket");
  home = mkdtempSync(join(folder, "home-"));
  process.env = {
    ...environment,
    ...S3_KEYS,
    AWS_ENDPOINT_URL_S3: server.url,
    HF_ENDPOINT: hub.endpoint,
    HF_TOKEN: GOOD_TOKEN,
    HF_HOME: home,
    XDG_CACHE_HOME: home,
  };
});
afterEach(() => {
  hub.close();
  server.close();
  process.env = environment;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const left = (): string[] => {
  const uploads = join(home, "requant", "uploads");
  return existsSync(uploads) ? readdirSync(uploads) : [];
};
const convert = (output: string, to: string, ...args: string[]): Promise<Result> =>
  requant("convert", hf, output, "--to", to, ...args);

async function done(output: string, to: string, ...args: string[]): Promise<Result> {
  const result = await convert(output, to, ...args);
  expect(result.status, result.err).toBe(0);
  return result;
}

/** Names of the files that the commands for these targets write. */
const namesOf = (targets: string): string[] =>
  [...alone.keys()]
    .filter((name) => (targets === GGUFS ? name.endsWith(".gguf") : name !== "hf-Q4_0.gguf"))
    .sort();

async function onHub(path: string): Promise<Buffer> {
  const headers = { authorization: `Bearer ${GOOD_TOKEN}` };
  const response = await fetch(`${hub.endpoint}/me/new/resolve/main/${path}`, { headers });
  return response.ok ? Buffer.from(await response.arrayBuffer()) : Buffer.from(`status ${response.status}`);
}

async function expectOnHub(targets: string): Promise<void> {
  const committed = hub.writes.commits.flatMap(({ paths }) => paths);
  expect(committed.sort()).toEqual([...namesOf(targets), "README.md"].sort());
  for (const name of namesOf(targets)) {
    expect((await onHub(name)).equals(alone.get(name) ?? Buffer.from("none")), name).toBe(true);
  }
  expect(left()).toEqual([]);
}

function expectInBucket(targets: string): void {
  const names = namesOf(targets);
  expect([...server.objects.keys()].sort()).toEqual(names.map((name) => `/bucket/out/${name}`));
  for (const name of names) {
    const bytes = alone.get(name) ?? Buffer.from("none");
    expect(server.objects.get(`/bucket/out/${name}`)?.equals(bytes), name).toBe(true);
  }
  expect(server.uploads.size).toBe(0);
  expect(left()).toEqual([]);
}

describe("several targets to hf:", () => {
  it("two files: the card has a section for each, with its size and errors", async () => {
    await done("hf:me/new", GGUFS);
    await expectOnHub(GGUFS);
    const card = (await onHub("README.md")).toString();
    expect(card).toContain("`gguf:q8_0`, `gguf:q4_0`.");
    const [, q8 = "", q4 = ""] = card.split(/^### .*$/m);
    expect(card.match(/^### .*$/gm)).toEqual(["### gguf:q8_0", "### gguf:q4_0"]);
    expect(q8).toContain(`| hf-Q8_0.gguf | ${sizes.get("gguf:q8_0")} |`);
    expect(q8).toMatch(/of 30 tensors keep their values/);
    expect(q8).toMatch(/\| Q8_0 \| \d+ \| 0\.\d+ % \| 0\.\d+ % \|/);
    expect(q8).not.toContain("Q4_0");
    expect(q4).toContain(`| hf-Q4_0.gguf | ${sizes.get("gguf:q4_0")} |`);
    expect(q4).toMatch(/\| Q4_0 \| \d+ \| \d+\.\d+ % \| \d+\.\d+ % \|/);
    expect(card).toContain("llama-cli --hf-repo me/new --hf-file hf-Q8_0.gguf");
    expect(card).toContain("llama-cli --hf-repo me/new --hf-file hf-Q4_0.gguf");
  }, 60_000);

  it("a file and a directory: the commands of the card open both", async () => {
    const stage = join(home, "stage");
    await done("hf:me/new", MIXED, "--stage", stage);
    await expectOnHub(MIXED);
    expect(readdirSync(stage)).toEqual([]);
    const card = (await onHub("README.md")).toString();
    expect(card).toContain("### safetensors:f16\n");
    expect(card).toContain("| safetensors-f16/model.safetensors | ");
    expect(card).toContain("llama-cli --hf-repo me/new --hf-file hf-Q8_0.gguf");
    const [, address = ""] = /^requant inspect (\S+)$/m.exec(card) ?? [];
    expect(address).toBe("hf:me/new/safetensors-f16");
    const { status, err, out } = await requant("inspect", address, "--json");
    expect(status, err).toBe(0);
    expect(JSON.parse(out).format).toBe("safetensors");
  }, 60_000);

  it("--resume after an interruption sends no file again", async () => {
    hub.fault = ({ server: asked, method }, response) => {
      if (asked !== "hub" || method !== "POST" || hub.writes.commits.length === 0) return false;
      response.writeHead(400, { "content-type": "application/json" }).end('{"error":"maintenance"}');
      return true;
    };
    const first = await convert("hf:me/new", GGUFS);
    expect(first.status).toBe(4);
    expect(first.err).toContain("--resume");
    expect(hub.writes.commits).toHaveLength(1);
    hub.fault = () => false;
    const resumed = JSON.parse((await done("hf:me/new", GGUFS, "--resume", "--json")).out);
    await expectOnHub(GGUFS);
    const local = JSON.parse((await done(join(home, "local"), GGUFS, "--json")).out);
    const tensorsOf = (report: { targets: { tensors: unknown }[] }): unknown[] =>
      report.targets.map(({ tensors }) => tensors);
    expect(tensorsOf(resumed)).toEqual(tensorsOf(local));
  }, 60_000);
});

describe("several targets to s3://", () => {
  it.each([GGUFS, MIXED])("%s", async (targets) => {
    const { out } = await done("s3://bucket/out", targets);
    expectInBucket(targets);
    expect(out).toContain("s3://bucket/out/hf-Q8_0.gguf");
  });

  it("--resume after an interruption sends no part again", async () => {
    let taken = 0;
    server.fault = ({ query, method }, response) => {
      if (method !== "PUT" || !query.has("partNumber") || taken++ < 1) return false;
      refuse(response, 403, "AccessDenied");
      return true;
    };
    const first = await convert("s3://bucket/out", GGUFS);
    expect(first.status).toBe(4);
    expect(server.objects.size).toBe(0);
    const sent = [...server.uploads.values()].flatMap(({ path, parts }) => (parts.size > 0 ? [path] : []));
    expect(sent).toHaveLength(1);
    server.fault = () => false;
    const before = server.asked.length;
    await done("s3://bucket/out", GGUFS, "--resume");
    const again = server.asked.slice(before).filter(({ query }) => query.has("partNumber"));
    expect(again.map(({ path }) => path)).not.toContain(sent[0]);
    expectInBucket(GGUFS);
  });
});

describe("the report says that a server's files are read for one by one", () => {
  it.each(["hf:me/new", "s3://bucket/out"])(
    "%s",
    async (output) => {
      const words = /^reading +9\.\d+ MB: for a server, the source is read for each target$/m;
      for (const option of ["--plan", "--dry-run"]) {
        const { out } = await done(output, GGUFS, option);
        expect(out).toMatch(words);
        expect(out).not.toContain("once");
      }
      const { out } = await done(output, GGUFS);
      expect(out).toMatch(words);
      const { shared } = JSON.parse((await done(output, GGUFS, "--overwrite", "--json")).out);
      expect(shared.bytesRead).toBe(shared.bytesReadAlone);
    },
    60_000,
  );

  it("also with a text, whose dry run shows the card, too", async () => {
    const to = "gguf:q4_k,q5_k";
    const { out } = await done("hf:me/new", to, "--calibrate", "builtin", "--dry-run", "--pure");
    expect(out).toContain("for a server, the source is read for each target");
    expect(out).toContain("The repository me/new would be made");
    expect(out).toContain("### gguf:q5_k");
    expect(hub.writes.made).toEqual([]);
  }, 60_000);
});

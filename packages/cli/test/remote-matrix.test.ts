/** Each kind of address as the source of each command, and conversions from it that are killed and resumed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { builtCommand, isBuilt } from "./abuse/child.ts";
import { requant } from "./run.ts";
import { honest, serveFiles, type TestServer } from "./serving.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-remote-"));
const local = join(folder, "local.gguf");
const environment = { ...process.env };
const secrets = { HF_TOKEN: "hf_do_not_tell", AWS_SECRET_ACCESS_KEY: "aws-do-not-tell" };

/** One server that is a plain one, a hub and a bucket. A request a 50th of a second, where it is slow. */
let server: TestServer;
let slow = false;

beforeAll(async () => {
  const { status, err } = await requant("convert", hf, local, "--to", "gguf:f16");
  expect(status, err).toBe(0);
  server = await serveFiles(
    (path) => {
      if (!/^\/(plain|bucket|kjv\/tiny\/resolve\/main)\/[\w.]+$/.test(path)) return undefined;
      const file = path.endsWith(".gguf") ? join(folder, basename(path)) : join(hf, basename(path));
      return existsSync(file) ? new Uint8Array(readFileSync(file)) : undefined;
    },
    (asked, response, bytes, count) => {
      setTimeout(() => honest(asked, response, bytes, count), slow ? 20 : 0);
    },
  );
  Object.assign(process.env, secrets, {
    HF_ENDPOINT: server.url,
    HF_HOME: join(folder, "hf-home"),
    AWS_ENDPOINT_URL_S3: server.url,
    AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
  });
});
afterAll(() => {
  process.env = environment;
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const addresses: readonly (readonly [kind: string, base: () => string])[] = [
  ["http", () => `${server.url}/plain`],
  ["hf", () => "hf:kjv/tiny"],
  ["s3", () => "s3://bucket"],
];

async function done(...argv: string[]): Promise<string> {
  const { status, out, err } = await requant(...argv);
  expect(status, err).toBe(0);
  expect(`${out}${err}`).not.toMatch(/do[-_]not[-_]tell/);
  return out;
}

describe.each(addresses)("%s", (kind, base) => {
  const models: readonly (readonly [what: string, address: () => string, local: string])[] = [
    ["a folder", base, hf],
    ["a GGUF", () => `${base()}/local.gguf`, local],
  ];

  describe.each(models)("%s", (what, address, same) => {
    it("inspect says what it says of the same files here", async () => {
      const there = JSON.parse(await done("inspect", address(), "--tensors", "--json"));
      const here = JSON.parse(await done("inspect", same, "--tensors", "--json"));
      for (const key of ["format", "architecture", "parameterCount", "tensors", "encodings"])
        expect(there[key], key).toEqual(here[key]);
    });

    it("verify finds them equal, and doctor nothing wrong", async () => {
      await done("verify", address(), same);
      await done("doctor", address());
    });

    it("hash of the values is the same", async () => {
      const sums = async (of: string): Promise<unknown> =>
        JSON.parse(await done("hash", of, "--values", "--json")).values.sha256;
      expect(await sums(address())).toBe(await sums(same));
    });

    it("convert makes the same bytes", async () => {
      const made = join(folder, `${kind}-${what.at(-1)}.gguf`);
      const wanted = join(folder, `${kind}-${what.at(-1)}-here.gguf`);
      const name = ["--set", "general.name=str:same"];
      await done("convert", address(), made, "--to", "gguf:q8_0", ...name);
      await done("convert", same, wanted, "--to", "gguf:q8_0", ...name);
      expect(Buffer.compare(readFileSync(made), readFileSync(wanted))).toBe(0);
    });
  });

  it.skipIf(!isBuilt)("a conversion that is killed goes on (skipped: the command is not built)", async () => {
    const [output, wanted] = [join(folder, kind, "m.gguf"), join(folder, `${kind}-wanted.gguf`)];
    const name = ["--set", "general.name=str:same"];
    await done("convert", hf, wanted, "--to", "gguf:f16", ...name);
    const start = (...options: string[]) => {
      const args = [builtCommand, "convert", base(), output, "--to", "gguf:f16", ...name, ...options];
      return spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    };
    const journal = join(folder, kind, ".m.gguf.requant-journal");
    slow = true;
    const killed = start("--jobs", "1");
    for (let waited = 0; !existsSync(journal) || statSync(journal).size < 200; waited += 2) {
      expect(waited).toBeLessThan(30_000);
      await new Promise((next) => setTimeout(next, 2));
    }
    killed.kill("SIGKILL");
    expect(await once(killed, "close")).toEqual([null, "SIGKILL"]);
    slow = false;
    expect(existsSync(output)).toBe(false);
    let err = "";
    const resumed = start("--resume", "--jobs", "2");
    resumed.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
    });
    expect((await once(resumed, "close"))[0], err).toBe(0);
    expect(Buffer.compare(readFileSync(output), readFileSync(wanted))).toBe(0);
    expect(readdirSync(join(folder, kind))).toEqual(["m.gguf"]);
  });
});

describe("secrets that cannot be sent", () => {
  it.each([
    ["HF_TOKEN", "hf_do-not-tell\nX: y", "hf:kjv/tiny"],
    ["HF_TOKEN", "hf_\u2028do-not-tell", "hf:kjv/tiny"],
    ["AWS_SECRET_ACCESS_KEY", "do-not-tell\u0000", "s3://bucket"],
    ["AWS_SESSION_TOKEN", "do-not-tell\nx", "s3://bucket"],
    ["AWS_ACCESS_KEY_ID", "do-not-tell\u00e9", "s3://bucket"],
  ])("%s: %j is refused and not quoted", async (name, value, address) => {
    const before = process.env[name];
    // the system takes no NUL: the environment is replaced
    const kept = process.env;
    process.env = { ...kept, [name]: value };
    const asked = server.asked.length;
    try {
      const { status, out, err } = await requant("inspect", address, "--json", "--debug");
      expect(status).toBe(2);
      expect(err).toContain(name);
      expect(`${out}${err}`).not.toMatch(/do-not-tell/);
      expect(server.asked).toHaveLength(asked);
    } finally {
      process.env = kept;
      expect(process.env[name]).toBe(before);
    }
  });

  it("a line end behind the token is not part of it", async () => {
    const kept = process.env;
    process.env = { ...kept, HF_TOKEN: "hf_do_not_tell\r\n" };
    await done("inspect", "hf:kjv/tiny");
    process.env = kept;
    expect(server.asked.at(-1)?.headers.authorization).toBe("Bearer hf_do_not_tell");
  });
});

/** A fleet of processes around a real Redis. The oracle is the file that one machine makes. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, redisProgram, startRedis } from "../../../fixtures/redis-server.ts";
import { S3_KEYS, standInS3 } from "../../../fixtures/stand-in-s3.ts";
import { parseJournal } from "../../convert/src/run/outputs/journal.ts";
import { requant } from "./run.ts";

const root = resolve(import.meta.dirname, "../../..");
const bin = join(root, "packages/cli/src/bin.ts");
const SHAPE = ["--layers", "4", "--embedding", "512", "--vocabulary", "4096"];
const PARTS = 24;
/** Long enough that a busy machine is not taken for a dead one. */
const STALLED_AFTER = "10";

let folder = "";
let redis: RedisServer;
const running = new Set<ChildProcess>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "requant-fleet-"));
  if (redisProgram === undefined) return;
  mkdirSync(join(folder, "redis"));
  redis = await startRedis(join(folder, "redis"), "a-secret-word");
  execFileSync(process.execPath, [join(root, "scripts/make-model.mjs"), join(folder, "m.gguf"), ...SHAPE]);
});
afterAll(async () => {
  for (const child of running) child.kill("SIGKILL");
  await redis?.kill();
  rmSync(folder, { recursive: true, force: true });
});

interface Worker {
  /** Resolves when a line of the worker has these words. */
  told(words: string): Promise<void>;
  /** Ends the worker and its process for parts, as a power failure ends a machine. */
  killMachine(): Promise<void>;
  term(): void;
  readonly ended: Promise<number | null>;
  readonly text: () => string;
}

function startWorker(...options: string[]): Worker {
  const args = [bin, "fleet", "work", "--memory", "250MB", "--stalled-after", STALLED_AFTER, ...options];
  const child = spawn(process.execPath, ["--conditions=@requant/source", "--no-warnings", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, REDIS_URL: redis.url },
  });
  running.add(child);
  let text = "";
  let look = (): void => {};
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data: Buffer) => {
      text += data.toString();
      look();
    });
  }
  const ended = once(child, "close").then(([status]: unknown[]) => {
    running.delete(child);
    look();
    return typeof status === "number" ? status : null;
  });
  return {
    ended,
    text: () => text,
    told: (words) =>
      new Promise((done, fail) => {
        look = () => {
          if (text.includes(words)) done();
          else if (!running.has(child)) fail(new Error(`the worker ended: ${text}`));
        };
        look();
      }),
    async killMachine() {
      const children = childrenOf(child.pid ?? 0);
      child.kill("SIGKILL");
      for (const pid of children) process.kill(pid, "SIGKILL");
      await ended;
    },
    term: () => child.kill("SIGTERM"),
  };
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text
    .split(" ")
    .filter((word) => word !== "")
    .map(Number);
}

const sha256 = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

/** How often each piece is claimed, over all attempts. */
function claims(output: string): Map<number, number> {
  const [work = ""] = readdirSync(output).filter((name) => name.endsWith(".requant-parts"));
  const logs = readdirSync(join(output, work, "logs"), { recursive: true, encoding: "utf8" });
  const counts = new Map<number, number>();
  for (const log of logs.filter((name) => name.endsWith(".log"))) {
    for (const number of parseJournal(readFileSync(join(output, work, "logs", log))).pieces.keys()) {
      counts.set(number, (counts.get(number) ?? 0) + 1);
    }
  }
  return counts;
}

async function saved(name: string, ...options: string[]): Promise<{ plan: string; output: string }> {
  const [plan, output] = [join(folder, `${name}.json`), join(folder, name)];
  const args = ["--to", "gguf:iq3_s", "--plan-out", plan, "--quiet", ...options];
  expect(await requant("convert", join(folder, "m.gguf"), join(output, "x.gguf"), ...args)).toMatchObject({
    status: 0,
    err: "",
  });
  return { plan, output };
}

async function statusOf(plan: string): Promise<Record<string, unknown>> {
  const { out } = await requant("fleet", "status", plan, "--redis", redis.url, "--json");
  const { plans } = JSON.parse(out) as { plans: Record<string, unknown>[] };
  return plans[0] ?? {};
}

describe.skipIf(redisProgram === undefined)("a fleet (skipped: there is no redis-server)", () => {
  it("takes a plan out of the queue, by its file or by the id that the status shows", async () => {
    const { plan } = await saved("removed");
    const options = ["--redis", redis.url];
    for (const isId of [false, true]) {
      await requant("fleet", "submit", plan, ...options, "--parts", "3");
      const [id = ""] = (await requant("fleet", "status", plan, ...options)).out.split(" ", 1);
      expect(id).toMatch(/^[0-9a-f]{16}$/);
      expect(await requant("fleet", "remove", isId ? id : plan, ...options)).toMatchObject({
        status: 0,
        out: "3 parts removed from the queue\n",
      });
      expect(await requant("fleet", "status", plan, ...options)).toMatchObject({ status: 2 });
    }
    expect(await requant("fleet", "remove", ...options)).toMatchObject({ status: 2 });
  });

  it("survives the death of every worker and of Redis, and makes the bytes of one machine", async () => {
    const { plan, output } = await saved("chaos");
    const submitted = await requant("fleet", "submit", plan, "--redis", redis.url, "--parts", String(PARTS));
    expect(submitted).toMatchObject({ status: 0, err: "" });

    const first = [startWorker(), startWorker(), startWorker()];
    for (const worker of first) {
      await worker.told("begun");
      await worker.killMachine();
    }
    const second = [1, 2, 3].map(() => startWorker("--until-empty"));
    await Promise.any(second.map((worker) => worker.told("done in")));
    await redis.kill();
    await redis.restart();
    const between = await statusOf(plan);
    expect(between).toMatchObject({ count: PARTS, failed: [] });
    expect(await Promise.all(second.map(({ ended }) => ended))).toEqual([0, 0, 0]);

    expect(await statusOf(plan)).toMatchObject({
      count: PARTS,
      done: PARTS,
      active: 0,
      waiting: 0,
      failed: [],
    });
    const counts = claims(output);
    expect(Math.max(...counts.values())).toBe(1);
    expect(await requant("finish", plan, "--quiet")).toMatchObject({ status: 0, err: "" });
    expect(readdirSync(output)).toEqual(["x.gguf"]);
    const whole = join(folder, "whole.gguf");
    await requant("convert", join(folder, "m.gguf"), whole, "--to", "gguf:iq3_s", "--quiet");
    expect(sha256(join(output, "x.gguf"))).toBe(sha256(whole));
  }, 240_000);

  it("makes the parts of a plan whose output is in a bucket", async () => {
    const server = await standInS3("bucket");
    const keys = { ...S3_KEYS, AWS_ENDPOINT_URL_S3: server.url };
    const before = { ...process.env };
    Object.assign(process.env, keys);
    try {
      const plan = join(folder, "bucket.json");
      const args = ["--to", "gguf:q8_0", "--plan-out", plan, "--quiet"];
      const model = join(folder, "m.gguf");
      expect(await requant("convert", model, "s3://bucket/out/x.gguf", ...args)).toMatchObject({ status: 0 });
      await requant("fleet", "submit", plan, "--redis", redis.url, "--parts", "3");
      const workers = [startWorker("--until-empty"), startWorker("--until-empty")];
      expect(await Promise.all(workers.map(({ ended }) => ended))).toEqual([0, 0]);
      expect(await statusOf(plan)).toMatchObject({ count: 3, done: 3, failed: [] });
      expect(await requant("finish", plan, "--quiet")).toMatchObject({ status: 0, err: "" });
      await requant("convert", model, join(folder, "bucket.gguf"), "--to", "gguf:q8_0", "--quiet");
      const bytes = server.objects.get("/bucket/out/x.gguf");
      expect(bytes?.equals(readFileSync(join(folder, "bucket.gguf")))).toBe(true);
      const aof = join(folder, "redis", "appendonlydir");
      const queued = readdirSync(aof).map((name) => readFileSync(join(aof, name), "latin1"));
      expect(queued.join("")).not.toContain(S3_KEYS.AWS_SECRET_ACCESS_KEY);
    } finally {
      process.env = before;
      server.close();
    }
  }, 120_000);

  it("ends after the running part when it is asked to, and leaves the others in the queue", async () => {
    const { plan } = await saved("drain");
    await requant("fleet", "submit", plan, "--redis", redis.url, "--parts", "12");
    const worker = startWorker();
    await worker.told("begun");
    worker.term();
    expect(await worker.ended).toBe(0);
    const { done, active, waiting } = await statusOf(plan);
    expect(active).toBe(0);
    expect(done).toBeGreaterThan(0);
    expect(Number(done) + Number(waiting)).toBe(12);
    expect(worker.text()).toContain(`${done} part`);
  }, 120_000);

  it("tells what failed for good, and tries it again when it is submitted again", async () => {
    const { plan, output } = await saved("failing");
    await requant("fleet", "submit", plan, "--redis", redis.url, "--parts", "2", "--priority", "1");
    // a file that has the output's name is refused by every machine; an IO error, so it is tried again
    mkdirSync(join(output, "x.gguf"), { recursive: true });
    const worker = startWorker("--until-empty");
    await worker.told("failed");
    worker.term();
    await worker.ended;
    rmSync(output, { recursive: true });
    const again = await requant("fleet", "submit", plan, "--redis", redis.url, "--json");
    expect(JSON.parse(again.out)).toMatchObject({ parts: 2, added: 0, queued: 2, done: 0 });
    const other = startWorker("--until-empty");
    expect(await other.ended).toBe(0);
    expect(await statusOf(plan)).toMatchObject({ done: 2, failed: [] });
    expect((await requant("finish", plan, "--quiet")).status).toBe(0);
  }, 180_000);

  it("ends with 1 where the queue is empty and a part has failed for good", async () => {
    const { plan } = await saved("for-good");
    const options = ["--redis", redis.url, "--parts", "2", "--attempts", "1"];
    expect(await requant("fleet", "submit", plan, ...options)).toMatchObject({ status: 0 });
    rmSync(plan);
    const worker = startWorker("--until-empty");
    expect(await worker.ended).toBe(1);
    expect(worker.text()).toContain("0 parts done, 2 attempts failed, 2 parts failed for good");
  }, 60_000);

  it("puts no secret into a plan, a job or a message", async () => {
    const { plan } = await saved("secrets");
    await requant("fleet", "submit", plan, "--redis", redis.url, "--parts", "3");
    const aof = join(folder, "redis", "appendonlydir");
    const written = readdirSync(aof).map((name) => readFileSync(join(aof, name), "latin1"));
    expect(written.join("")).toContain(plan);
    expect(written.join("")).not.toContain("a-secret-word");
    expect(readFileSync(plan, "utf8")).not.toContain("a-secret-word");
    const wrong = redis.url.replace("a-secret-word", "another-secret");
    const { status, err } = await requant("fleet", "status", "--redis", wrong);
    expect(status).toBe(4);
    expect(err).not.toContain("another-secret");
    expect(err).toContain("Redis refuses the user or the password in the URL.");
  });

  it("says that a password is missing", async () => {
    const without = redis.url.replace(":a-secret-word@", "");
    const { status, err } = await requant("fleet", "status", "--redis", without);
    expect(status).toBe(4);
    expect(err).toContain("Redis asks for a password, and the URL has none.");
    expect(err).not.toContain("NOAUTH");
  });

  it("says which parts are in the queue already", async () => {
    const { plan } = await saved("waiting");
    const submit = async (): Promise<string> => (await requant("fleet", "submit", plan, ...options)).out;
    const options = ["--redis", redis.url, "--parts", "4"];
    expect(await submit()).toMatch(/^4 parts of 4 submitted\n/);
    expect(await submit()).toMatch(/^0 parts of 4 submitted, 4 in the queue already\n/);
  });

  it("refuses another number of parts than before", async () => {
    const { plan } = await saved("counts");
    await requant("fleet", "submit", plan, "--redis", redis.url, "--parts", "3");
    const { status, err } = await requant("fleet", "submit", plan, "--redis", redis.url, "--parts", "4");
    expect(status).toBe(2);
    expect(err).toContain("3 parts");
    expect(err).toContain("or give --again.");
  });
});

describe("fleet", () => {
  it.each([
    [["fleet", "status"], "No address of Redis"],
    [["fleet", "status", "--redis", "http://x"], "no address of Redis"],
    [["fleet", "submit", "--redis", "redis://127.0.0.1:1"], "no plan"],
    [["fleet", "work", "plan.json", "--redis", "redis://127.0.0.1:1"], "all plans"],
    [["fleet", "work", "--memory", "100MB", "--redis", "redis://127.0.0.1:1"], "One part needs 210 MB"],
    [["fleet", "stat"], "status"],
    [["fleet", "work", "--parts", "4"], "Fleet work does not take --parts."],
    [
      ["fleet", "submit", "p.json", "--priority", "1", "--memory", "1GiB"],
      "Fleet submit does not take --memory.",
    ],
    [["fleet", "status", "--until-empty"], "Fleet status does not take --until-empty."],
  ])("refuses %j", async (argv, words) => {
    const { status, err } = await requant(...argv);
    expect(status).toBe(2);
    expect(err).toContain(words);
  });

  it("refuses a wrong option before it says that it works", async () => {
    const { status, err } = await requant(
      "fleet",
      "work",
      "--redis",
      "redis://127.0.0.1:1",
      "--stalled-after",
      "0",
    );
    expect(status).toBe(2);
    expect(err).toContain("The option --stalled-after is 0.");
    expect(err).not.toContain("Working");
  });

  it("says where no Redis answers", async () => {
    const { status, err } = await requant("fleet", "status", "--redis", "redis://u:geheim7@127.0.0.1:1");
    expect(status).toBe(4);
    expect(err).toContain("Redis does not answer");
    expect(err).not.toContain("geheim7");
  });

  it("loads no library of Redis for other commands", () => {
    const listing = `import { registerHooks } from "node:module";
      import { writeSync } from "node:fs";
      registerHooks({ load: (url, context, next) => { writeSync(2, url + "\\n"); return next(url, context); } });`;
    const hook = `data:text/javascript,${encodeURIComponent(listing)}`;
    const loaded = (...argv: string[]): string => {
      const args = ["--conditions=@requant/source", "--no-warnings", "--import", hook, bin, ...argv];
      return spawnSync(process.execPath, args, { encoding: "utf8" }).stderr;
    };
    const ofRedis = /node_modules\/(?:ioredis|bullmq)\//;
    const model = join(root, "fixtures/kjv/hf");
    expect(loaded("inspect", model)).toContain("commands/inspect.ts");
    expect(loaded("inspect", model)).not.toMatch(ofRedis);
    // what loads it is found
    expect(loaded("fleet", "status", "--redis", "redis://127.0.0.1:1")).toMatch(ofRedis);
  });
});

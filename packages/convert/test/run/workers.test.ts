import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { memoryStore, urlStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Model,
  type OutputStore,
  openModel,
  type Plan,
  parseTarget,
  planConversion,
  type RunOptions,
  runPlan,
  type WorkerHandle,
  type Workers,
} from "../../src/index.ts";
import { nodeWorkers } from "../../src/run/workers/node.ts";
import { ggufBytes, pseudoWeights, type TinyTensor } from "../tiny-gguf.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-workers-"));
  await writeFile(join(folder, "model.gguf"), await ggufBytes(tensors()));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** One tensor larger than all others together, so that only bands share it out. */
function tensors(): TinyTensor[] {
  return [
    { name: "token_embd.weight", shape: [4096, 256], values: pseudoWeights(4096 * 256, 1) },
    { name: "blk.0.attn_norm.weight", shape: [256], values: pseudoWeights(256, 2) },
    { name: "blk.0.attn_q.weight", shape: [256, 256], values: pseudoWeights(256 * 256, 3) },
    { name: "blk.0.ffn_up.weight", shape: [512, 256], values: pseudoWeights(512 * 256, 4) },
  ];
}

async function withPlan<T>(
  target: string,
  name: string,
  use: (plan: Plan, model: Model) => Promise<T>,
): Promise<T> {
  const model = await openModel({ store: directoryStore(folder), file: "model.gguf" });
  try {
    return await use(await planConversion(model, parseTarget(target), { outputName: name }), model);
  } finally {
    await model.close();
  }
}

const out = (): string => join(folder, "out");

function convert(
  target: string,
  name: string,
  options: RunOptions,
  store: OutputStore = directoryStore(out()),
): Promise<Awaited<ReturnType<typeof runPlan>>> {
  return withPlan(target, name, (plan, model) =>
    runPlan(plan, model, store, { bandByteLength: 64 * 1024, ...options }),
  );
}

const threads = (jobs: number): Workers => nodeWorkers({ jobs, weightsPerWorker: 1 });

describe("the bytes do not depend on who makes them", () => {
  it("with one thread, two or three, and the measured errors do not either", async () => {
    for (const target of ["gguf:q4_k_m", "gguf:f16"]) {
      const alone = await convert(target, "one", {});
      for (const jobs of [2, 3]) {
        const report = await convert(target, `by-${jobs}`, { workers: threads(jobs) });
        expect(report.tensors).toEqual(alone.tensors);
        const [wanted, found] = [
          await readFile(join(out(), "one.gguf")),
          await readFile(join(out(), `by-${jobs}.gguf`)),
        ];
        expect(Buffer.compare(wanted, found), `${target} by ${jobs}`).toBe(0);
      }
      expect(await readdir(out())).toHaveLength(3);
      await rm(out(), { recursive: true });
    }
  });

  it("and the pieces of one large tensor are made by all of them, this thread among them", async () => {
    const workers = threads(3);
    const made: number[] = [];
    const counted: Workers = {
      ...workers,
      start() {
        const handle = workers.start();
        const index = made.push(0) - 1;
        return {
          ...handle,
          post(message) {
            if (message.kind === "make" && message.job.pieces[0]?.tensor === 0)
              made[index] = (made[index] ?? 0) + 1;
            handle.post(message);
          },
        };
      },
    };
    await convert("gguf:q4_k_m", "shared", { workers: counted, bandByteLength: 32 * 1024 });
    const pieces = (4096 * 256 * 4) / (32 * 1024);
    expect(made).toHaveLength(2);
    for (const count of made) expect(count).toBeGreaterThan(0);
    expect(made.reduce((sum, count) => sum + count)).toBeLessThan(pieces);
    await rm(out(), { recursive: true });
  });

  it("where the output only appends", async () => {
    const [alone, shared] = [memoryStore({ name: "alone" }), memoryStore({ name: "shared" })];
    await convert("gguf:q8_0", "x", {}, alone);
    await convert("gguf:q8_0", "x", { workers: threads(3) }, shared);
    expect(
      Buffer.compare(alone.files.get("x.gguf") ?? Buffer.of(), shared.files.get("x.gguf") ?? Buffer.of(1)),
    ).toBe(0);
  });
});

it("a worker sends each piece in the memory that it got back of the piece before", async () => {
  const workers = threads(2);
  const memory: number[][] = [];
  const watched: Workers = {
    ...workers,
    hereToo: false,
    start() {
      const handle = workers.start();
      const own: number[] = [];
      memory.push(own);
      return {
        ...handle,
        listen(onReply, onEnd) {
          handle.listen((reply) => {
            if (reply.kind === "piece") own.push(reply.bytes.buffer.byteLength);
            onReply(reply);
          }, onEnd);
        },
      };
    },
  };
  const store = memoryStore({ name: "taken" });
  // the rows of the first tensor make the largest pieces
  await convert("gguf:q8_0", "x", { workers: watched, bandByteLength: 32 * 1024 }, store);
  const alone = memoryStore({ name: "alone" });
  await convert("gguf:q8_0", "x", { bandByteLength: 32 * 1024 }, alone);
  expect(store.files.get("x.gguf")).toEqual(alone.files.get("x.gguf"));
  expect(memory).toHaveLength(2);
  for (const [first, ...later] of memory) {
    expect(later.length).toBeGreaterThan(2);
    expect(later.filter((byteLength) => byteLength !== first)).toEqual([]);
  }
});

/** A worker made of a function: what it does with each request. */
function fakeWorkers(
  act: (request: Parameters<WorkerHandle["post"]>[0], listeners: Parameters<WorkerHandle["listen"]>) => void,
): Workers & { started: number; ended: number } {
  const workers = {
    count: 2,
    weightsPerWorker: 1,
    started: 0,
    ended: 0,
    start(): WorkerHandle {
      workers.started += 1;
      let listeners: Parameters<WorkerHandle["listen"]> | undefined;
      return {
        post(message) {
          if (listeners !== undefined) act(message, listeners);
        },
        listen(...given) {
          listeners = given;
        },
        async terminate() {
          workers.ended += 1;
        },
      };
    },
  };
  return workers;
}

describe("workers that fail", () => {
  it("one that dies is one clear error, and nothing hangs", async () => {
    const workers = fakeWorkers((request, [, onEnd]) => {
      if (request.kind === "make") setTimeout(() => onEnd("it ran out of memory"), 5);
    });
    await expect(convert("gguf:q8_0", "dead", { workers })).rejects.toMatchObject({
      code: "IO",
      message: "A worker stopped: it ran out of memory.",
      hint: expect.stringContaining("fewer jobs"),
    });
    expect(workers.started).toBe(2);
    expect(workers.ended).toBeGreaterThanOrEqual(2);
    await expect(convert("gguf:q8_0", "dead", { workers }, memoryStore({ name: "m" }))).rejects.toThrow(
      "stopped",
    );
  });

  it("a fault in a worker is the fault that it would be here", async () => {
    const missing = fakeWorkers((request, [onReply]) => {
      if (request.kind !== "make") return;
      const error = {
        name: "IoError",
        message: "no",
        stack: "there",
        code: "IO" as const,
        hint: "do",
        path: "p",
        tensor: "t",
        offset: 7,
        index: 3,
        reason: "r",
      };
      onReply({ kind: "failed", id: request.id, error });
    });
    const error: unknown = await convert("gguf:q8_0", "bad", { workers: missing }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({
      name: "IoError",
      code: "IO",
      hint: "do",
      path: "p",
      tensor: "t",
      offset: 7,
      index: 3,
      reason: "r",
    });
    expect(error).toMatchObject({ cause: { stack: "there" } });
  });

  it("a source that changed before the workers opened it is refused", async () => {
    const file = join(folder, "model.gguf");
    const { mtime } = await stat(file);
    const workers = threads(2);
    const late: Workers = {
      ...workers,
      // it would find out itself
      hereToo: false,
      start() {
        const handle = workers.start();
        return {
          ...handle,
          post(message) {
            // the workers begin a moment after the run has looked at the source
            if (message.kind === "setup") void utimes(file, 1, 1).then(() => handle.post(message));
            else setTimeout(() => handle.post(message), 300);
          },
        };
      },
    };
    await expect(convert("gguf:q8_0", "late", { workers: late })).rejects.toMatchObject({
      code: "IO",
      message: expect.stringContaining("changed"),
    });
    await utimes(file, mtime, mtime);
  });
});

it("a cancelled run ends its workers and leaves what another can go on with", async () => {
  await convert("gguf:q4_k_m", "whole", {});
  const controller = new AbortController();
  const started = performance.now();
  await expect(
    convert("gguf:q4_k_m", "x", {
      workers: threads(2),
      signal: controller.signal,
      onProgress: ({ done, total }) => done > total / 3 && controller.abort(),
    }),
  ).rejects.toMatchObject({ name: "AbortError" });
  expect(performance.now() - started).toBeLessThan(30_000);
  expect(await readdir(out())).not.toContain("x.gguf");
  await convert("gguf:q4_k_m", "x", { workers: threads(2), resume: true });
  const [wanted, found] = [await readFile(join(out(), "whole.gguf")), await readFile(join(out(), "x.gguf"))];
  expect(Buffer.compare(wanted, found)).toBe(0);
});

describe("a source on a server", () => {
  /** Serves the model by ranges; `act` may answer a request in another way. */
  async function served<T>(
    act: (count: number, response: ServerResponse, bytes: Uint8Array) => boolean,
    use: (url: string) => Promise<T>,
  ): Promise<T> {
    const bytes = await readFile(join(folder, "model.gguf"));
    let count = 0;
    const server = createServer((request, response) => {
      const [, first = "0", last = "0"] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? [];
      const body = bytes.subarray(Number(first), Math.min(Number(last) + 1, bytes.length));
      response.setHeader(
        "content-range",
        `bytes ${first}-${Number(first) + body.length - 1}/${bytes.length}`,
      );
      response.setHeader("content-length", body.length);
      response.setHeader("etag", '"one"');
      response.statusCode = 206;
      count += 1;
      if (!act(count, response, body)) response.end(body);
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    try {
      return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  async function convertFrom(url: string, options: RunOptions): Promise<Uint8Array | undefined> {
    const model = await openModel({ store: urlStore(url), file: "model.gguf" });
    const plan = await planConversion(model, parseTarget("gguf:q8_0"), { outputName: "x" });
    const output = memoryStore({ name: "out" });
    await runPlan(plan, model, output, { bandByteLength: 256 * 1024, ...options });
    return output.files.get("x.gguf");
  }

  it("that drops connections in the middle gives the same bytes", async () => {
    const alone = memoryStore({ name: "alone" });
    await convert("gguf:q8_0", "x", {}, alone);
    const found = await served(
      (count, response, body) => {
        if (count % 5 !== 0) return false;
        response.write(body.subarray(0, body.length >> 1));
        setTimeout(() => response.destroy(), 5);
        return true;
      },
      (url) => convertFrom(url, { workers: threads(2) }),
    );
    expect(Buffer.compare(found ?? Buffer.of(), alone.files.get("x.gguf") ?? Buffer.of(1))).toBe(0);
  });

  it("whose file changes is refused, by the workers too", async () => {
    for (const options of [{}, { workers: threads(2) }]) {
      const run = served(
        (count, response) => {
          if (count > 6) response.setHeader("etag", '"two"');
          return false;
        },
        (url) => convertFrom(url, options),
      );
      await expect(run).rejects.toMatchObject({ code: "IO", message: expect.stringContaining("changed") });
    }
  });
});

describe("packed weights", () => {
  const kjv = resolve(import.meta.dirname, "../../../../fixtures/kjv/hf");
  const files = async (path: string): Promise<Record<string, string>> => {
    const hashes: Record<string, string> = {};
    for (const name of (await readdir(path)).sort()) {
      hashes[name] = createHash("sha256")
        .update(await readFile(join(path, name)))
        .digest("hex");
    }
    return hashes;
  };

  it.each(["gptq:4bit-128g-sym", "awq:gemm-128g"])(
    "%s: the same by one, by two, appended, and resumed",
    async (target) => {
      const model = await openModel({ store: directoryStore(kjv) });
      const plan = await planConversion(model, parseTarget(target));
      const place = (name: string): string => join(folder, `${target.split(":")[0]}-${name}`);
      const run = (name: string, options: RunOptions, store?: OutputStore) =>
        runPlan(plan, model, store ?? directoryStore(place(name)), { bandByteLength: 64 * 1024, ...options });
      const alone = await run("alone", {});
      const wanted = await files(place("alone"));
      const shared = await run("shared", { workers: threads(2) });
      expect(await files(place("shared"))).toEqual(wanted);
      expect(shared.tensors).toEqual(alone.tensors);
      const { stage: _, ...appending } = directoryStore(place("appended"));
      await run("appended", { workers: threads(2) }, appending);
      expect(await files(place("appended"))).toEqual(wanted);
      for (const share of [0.3, 0.8]) {
        const controller = new AbortController();
        await expect(
          run("resumed", {
            resume: true,
            signal: controller.signal,
            onProgress: ({ done, total }) => done > share * total && controller.abort(),
          }),
        ).rejects.toMatchObject({ name: "AbortError" });
      }
      const resumed = await run("resumed", { resume: true });
      expect(await files(place("resumed"))).toEqual(wanted);
      expect(resumed.tensors).toEqual(alone.tensors);
      await model.close();
    },
  );
});

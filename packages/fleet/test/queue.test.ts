/** The queue with a real Redis; parts are no more than numbers here. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type SavedPlan, savedPlan } from "@requant/convert";
import { ConversionError, IoError } from "@requant/core";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, redisProgram, startRedis } from "../../../fixtures/redis-server.ts";
import { type FleetPart, fleetStatus, removePlan, submitPlan, workOnParts } from "../src/index.ts";
import { PREFIX, parsePartJob, QUEUE } from "../src/part-job.ts";
import { markDone } from "../src/plan-record.ts";
import { rateOf } from "../src/status.ts";

const BYTES = 1_000_000_000;

function planOf(name: string): SavedPlan {
  return savedPlan({
    source: { address: "/models/a", versions: {} },
    guides: {},
    output: "/models/out",
    options: { bandByteLength: 1024 },
    plan: {
      version: 2,
      source: { name, format: "gguf", variant: "F16", tensorCount: 0, parameterCount: 0, files: [] },
      target: { format: "gguf", settings: {}, text: "gguf:q4_0" },
      tensors: [],
      files: [],
      leftOut: [],
      findings: [],
      byteLength: BYTES,
    },
  });
}

const noWork = async (): Promise<{ byteLength: number; seconds: number }> => ({ byteLength: 10, seconds: 1 });

describe.skipIf(redisProgram === undefined)("the queue (skipped: there is no redis-server)", () => {
  const folder = mkdtempSync(join(tmpdir(), "requant-queue-"));
  let redis: RedisServer;
  let client: Redis;
  beforeAll(async () => {
    redis = await startRedis(folder);
    client = new Redis(redis.url);
  });
  afterEach(() => client.flushall());
  afterAll(async () => {
    client?.disconnect();
    await redis?.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  const submit = (plan: SavedPlan, more: object = {}): ReturnType<typeof submitPlan> =>
    submitPlan(plan, { url: redis.url, address: "/plans/a.json", ...more });
  const work = (run: (part: FleetPart) => ReturnType<typeof noWork>): ReturnType<typeof workOnParts> =>
    workOnParts({ url: redis.url, concurrency: 1, untilEmpty: true, run });

  it("forgets a plan that is removed, and keeps the others", async () => {
    const [plan, other] = [planOf("a"), planOf("b")];
    await submit(plan, { count: 5 });
    await submit(other, { count: 2 });
    await expect(removePlan(redis.url, plan.id.slice(0, 15))).rejects.toMatchObject({ code: "USAGE" });
    expect(await removePlan(redis.url, plan.id.slice(0, 16))).toEqual({
      plan: plan.id,
      removed: 5,
      running: 0,
    });
    expect((await fleetStatus(redis.url)).plans.map((each) => each.plan)).toEqual([other.id]);
    expect(await work(noWork)).toMatchObject({ done: 2 });
    await expect(removePlan(redis.url, plan.id)).rejects.toMatchObject({ code: "USAGE" });
    expect(await submit(plan, { count: 5 })).toMatchObject({ added: 5, done: 0 });
  });

  it("gives each part once, with nothing but the reference to it", async () => {
    const plan = planOf("a");
    expect(await submit(plan)).toMatchObject({ count: 4, added: 4, done: 0 });
    const given: FleetPart[] = [];
    await work((part) => {
      given.push(part);
      return noWork();
    });
    expect(given).toEqual(
      [1, 2, 3, 4].map((part) => ({ plan: plan.id, address: "/plans/a.json", part, count: 4 })),
    );
    const { plans } = await fleetStatus(redis.url, plan.id);
    expect(plans).toMatchObject([{ plan: plan.id, count: 4, done: 4, active: 0, waiting: 0, failed: [] }]);
  });

  it("gives parts of smaller priorities first", async () => {
    const [late, soon] = [planOf("late"), planOf("soon")];
    await submit(late, { count: 2 });
    await submit(soon, { count: 2, priority: 1 });
    const given: string[] = [];
    await work((part) => {
      given.push(part.plan);
      return noWork();
    });
    expect(given).toEqual([soon.id, soon.id, late.id, late.id]);
  });

  it("submits twice without making a part twice", async () => {
    const plan = planOf("a");
    await submit(plan);
    expect(await submit(plan)).toMatchObject({ added: 0, queued: 4 });
    let count = 0;
    await work(async () => {
      count += 1;
      return noWork();
    });
    expect(count).toBe(4);
    expect(await submit(plan)).toMatchObject({ added: 0, done: 4 });
    expect(await submit(plan, { again: true })).toMatchObject({ added: 4, done: 0 });
  });

  it("tries what failed by I/O again, and nothing else", async () => {
    const plan = planOf("a");
    await submit(plan, { count: 3, attempts: 3, backoff: 10 });
    const tried = [0, 0, 0, 0];
    const report = await work(async ({ part }) => {
      tried[part] = (tried[part] ?? 0) + 1;
      if (part === 1 && tried[1] === 1) throw new IoError("The disk is away.");
      if (part === 2) throw new IoError("The disk is full.", { hint: "Make room." });
      if (part === 3) throw new ConversionError("This cannot be converted.");
      return noWork();
    });
    expect(tried).toEqual([0, 2, 3, 1]);
    expect(report).toEqual({ done: 1, failed: 5, failedForGood: 2 });
    const { plans } = await fleetStatus(redis.url);
    expect(plans[0]?.failed).toEqual([
      { part: 2, attempts: 3, message: "The disk is full. Make room." },
      { part: 3, attempts: 1, message: "This cannot be converted." },
    ]);
    expect(await submit(plan)).toMatchObject({ added: 2, done: 1 });
    expect((await fleetStatus(redis.url)).plans[0]).toMatchObject({ failed: [], waiting: 2, done: 1 });
  });

  it("does not carry out what another program has put into it", async () => {
    const queue = new Queue(QUEUE, { connection: client, prefix: PREFIX });
    await queue.add("part", { plan: "../x", address: "", part: 0, count: "many" }, { attempts: 3 });
    await queue.close();
    let count = 0;
    const report = await work(async () => {
      count += 1;
      return noWork();
    });
    expect({ count, report }).toEqual({ count: 0, report: { done: 0, failed: 1, failedForGood: 1 } });
  });

  it("counts a part that is done twice once", async () => {
    const plan = planOf("a");
    await submit(plan);
    const part = { plan: plan.id, address: "x", part: 3, count: 4 };
    await markDone(client, part, { byteLength: 1, seconds: 1 });
    await markDone(client, part, { byteLength: 1, seconds: 1 });
    expect((await fleetStatus(redis.url)).plans[0]).toMatchObject({ done: 1 });
  });

  it("has no plan that was not submitted", async () => {
    await expect(fleetStatus(redis.url, "0".repeat(64))).rejects.toMatchObject({ code: "USAGE" });
    expect(await fleetStatus(redis.url)).toEqual({ plans: [] });
  });
});

describe("a job", () => {
  it.each([null, {}, { plan: "a".repeat(64), address: "x", part: 1.5, count: 4 }, "text"])(
    "that is %j is refused",
    (data) => {
      expect(() => parsePartJob(data)).toThrow("no part of a plan");
    },
  );
});

describe("the rate", () => {
  it("is that between the first and the last part", () => {
    const times = [30, 20, 10].map((at) => ({ at, byteLength: 500, seconds: 1 }));
    expect(rateOf(times)).toBe(50);
  });

  it("is not known of one part, or of parts at one time", () => {
    const time = { at: 1, byteLength: 500, seconds: 1 };
    expect([rateOf([]), rateOf([time]), rateOf([time, time])]).toEqual([undefined, undefined, undefined]);
  });
});

/** What Redis knows of a submitted plan besides its jobs: which parts are done, one bit each, and how fast. */
import { FormatError } from "@requant/core";
import type { Redis } from "ioredis";
import * as z from "zod";
import { type FleetPart, PREFIX } from "./part-job.ts";

/** A submitted plan. */
export interface PlanRecord {
  /** The id of the saved plan. */
  readonly plan: string;
  /** For people: what the plan makes. */
  readonly name: string;
  readonly address: string;
  readonly count: number;
  /** Of the output. */
  readonly byteLength: number;
}

/** One part that was done. */
export interface DonePart {
  /** Seconds since 1970, by the clock of Redis. */
  readonly at: number;
  readonly byteLength: number;
  readonly seconds: number;
}

/** Parts whose times are kept. */
const KEPT_TIMES = 500;

const plansKey = `${PREFIX}:plans`;
const recordKey = (plan: string): string => `${PREFIX}:plan:${plan}`;
const doneKey = (plan: string, count: number): string => `${recordKey(plan)}:done:${count}`;
const timesKey = (plan: string): string => `${recordKey(plan)}:times`;

const number = z.coerce.number().nonnegative();
const recordSchema = z.object({ name: z.string(), address: z.string(), count: number, byteLength: number });
const timeSchema: z.ZodType<DonePart> = z.object({ at: number, byteLength: number, seconds: number });

/** The record of a plan; undefined for one that was not submitted. */
export async function readRecord(redis: Redis, plan: string): Promise<PlanRecord | undefined> {
  const fields = await redis.hgetall(recordKey(plan));
  if (Object.keys(fields).length === 0) return undefined;
  const result = recordSchema.safeParse(fields);
  if (result.success) return { plan, ...result.data };
  throw new FormatError("The record of a plan in Redis is not as this program writes it.", {
    path: recordKey(plan),
    hint: "Submit the plan again.",
  });
}

export async function writeRecord(redis: Redis, { plan, ...record }: PlanRecord): Promise<void> {
  await redis.hset(recordKey(plan), { ...record });
  await redis.zadd(plansKey, "NX", String(await secondsNow(redis)), plan);
}

/** The ids of all submitted plans, the oldest first. */
export function submittedPlans(redis: Redis): Promise<string[]> {
  return redis.zrange(plansKey, "0", "-1");
}

/** Forgets which parts are done. */
export async function forgetDone(redis: Redis, { plan, count }: PlanRecord): Promise<void> {
  await redis.del(doneKey(plan, count), timesKey(plan));
}

/** Forgets a plan and which of its parts are done. */
export async function forgetPlan(redis: Redis, record: PlanRecord): Promise<void> {
  await forgetDone(redis, record);
  await redis.del(recordKey(record.plan));
  await redis.zrem(plansKey, record.plan);
}

/** Notes that a part is done. Noting it twice changes nothing. */
export async function markDone(
  redis: Redis,
  { plan, part, count }: FleetPart,
  { byteLength, seconds }: Omit<DonePart, "at">,
): Promise<void> {
  const before = await redis.setbit(doneKey(plan, count), part, 1);
  if (before === 1) return;
  const time: DonePart = { at: await secondsNow(redis), byteLength, seconds };
  await redis.lpush(timesKey(plan), JSON.stringify(time));
  await redis.ltrim(timesKey(plan), 0, KEPT_TIMES - 1);
}

export function countDone(redis: Redis, { plan, count }: PlanRecord): Promise<number> {
  return redis.bitcount(doneKey(plan, count));
}

/** Tells for each part whether it is done. */
export async function doneParts(
  redis: Redis,
  { plan, count }: PlanRecord,
): Promise<(part: number) => boolean> {
  const bits = await redis.getBuffer(doneKey(plan, count));
  return (part) => (((bits?.[part >> 3] ?? 0) >> (7 - (part & 7))) & 1) === 1;
}

/** The last parts that were done, the newest first. */
export async function lastTimes(redis: Redis, { plan }: PlanRecord): Promise<DonePart[]> {
  const lines = await redis.lrange(timesKey(plan), 0, -1);
  return lines.flatMap((line) => {
    const result = timeSchema.safeParse(parsed(line));
    return result.success ? [result.data] : [];
  });
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

async function secondsNow(redis: Redis): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) + Number(microseconds) / 1e6;
}

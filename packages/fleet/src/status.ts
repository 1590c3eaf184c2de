import { UsageError } from "@requant/core";
import type { Job } from "bullmq";
import { type FleetPart, partOf } from "./part-job.ts";
import {
  countDone,
  type DonePart,
  lastTimes,
  type PlanRecord,
  readRecord,
  submittedPlans,
} from "./plan-record.ts";
import { type FleetQueue, withQueue } from "./queue.ts";

/** Jobs that are read in one call. */
const BATCH = 1000;

/** A part that failed for good. */
export interface FailedPart {
  readonly part: number;
  readonly attempts: number;
  readonly message: string;
}

/** How far a plan is. */
export interface PlanStatus extends PlanRecord {
  readonly done: number;
  /** Parts that are made now. */
  readonly active: number;
  readonly failed: readonly FailedPart[];
  /** Parts that wait for a machine, or for their next attempt. */
  readonly waiting: number;
  /** Output bytes per second of the last parts, of all machines together. */
  readonly bytesPerSecond?: number;
  readonly secondsLeft?: number;
}

/** What the queue holds. */
export interface FleetStatus {
  /** The oldest first. */
  readonly plans: readonly PlanStatus[];
}

/**
 * How far all submitted plans are, or one of them.
 * @param id of a saved plan
 * @throws UsageError for a plan that was not submitted; IoError where Redis does not answer
 */
export async function fleetStatus(url: string, id?: string): Promise<FleetStatus> {
  return withQueue(url, "ask", async (fleet) => {
    const { redis, queue } = fleet;
    const ids = id === undefined ? await submittedPlans(redis) : [id];
    const failed = byPlan(await allFailed(fleet));
    const active = byPlan(await queue.getActive());
    const plans: PlanStatus[] = [];
    for (const plan of ids) {
      const record = await readRecord(redis, plan);
      if (record !== undefined) {
        plans.push(
          await statusOf(fleet, record, { failed: failed.get(plan) ?? [], active: active.get(plan) ?? [] }),
        );
      } else if (id !== undefined) {
        throw new UsageError("The plan was not submitted to this queue.", {
          hint: "Submit it first, or ask the Redis that it was submitted to.",
        });
      }
    }
    return { plans };
  });
}

interface PlanJob {
  readonly part: FleetPart;
  readonly job: Job;
}

function byPlan(jobs: readonly Job[]): Map<string, PlanJob[]> {
  const found = new Map<string, PlanJob[]>();
  for (const job of jobs) {
    const part = partOf(job.data);
    if (part === undefined) continue;
    const own = found.get(part.plan) ?? [];
    own.push({ part, job });
    found.set(part.plan, own);
  }
  return found;
}

async function statusOf(
  { redis }: FleetQueue,
  record: PlanRecord,
  jobs: { readonly failed: readonly PlanJob[]; readonly active: readonly PlanJob[] },
): Promise<PlanStatus> {
  const done = await countDone(redis, record);
  const ofCount = ({ part }: PlanJob): boolean => part.count === record.count;
  const failed = jobs.failed.filter(ofCount).map(({ part, job }) => ({
    part: part.part,
    attempts: job.attemptsMade,
    message: job.failedReason ?? "",
  }));
  const active = jobs.active.filter(ofCount).length;
  const rate = rateOf(await lastTimes(redis, record));
  const left = record.byteLength * (1 - done / record.count);
  return {
    ...record,
    done,
    active,
    failed: failed.sort((a, b) => a.part - b.part),
    waiting: Math.max(0, record.count - done - active - failed.length),
    ...(rate === undefined ? {} : { bytesPerSecond: rate, secondsLeft: left / rate }),
  };
}

/** Bytes per second between the first and the last of some parts, the newest first; undefined where there are too few. */
export function rateOf(times: readonly DonePart[]): number | undefined {
  const [newest] = times;
  const oldest = times.at(-1);
  if (newest === undefined || oldest === undefined || !(newest.at > oldest.at)) return undefined;
  let byteLength = 0;
  for (const time of times.slice(0, -1)) byteLength += time.byteLength;
  return byteLength === 0 ? undefined : byteLength / (newest.at - oldest.at);
}

async function allFailed({ queue }: FleetQueue): Promise<Job[]> {
  const all: Job[] = [];
  for (;;) {
    const some = await queue.getFailed(all.length, all.length + BATCH - 1);
    for (const job of some) all.push(job);
    if (some.length < BATCH) return all;
  }
}

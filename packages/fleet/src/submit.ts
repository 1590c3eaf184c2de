import type { SavedPlan, SavedStatisticsPlan } from "@requant/convert";
import { UsageError } from "@requant/core";
import type { Queue } from "bullmq";
import { type FleetPart, jobIdOf, jobOptions, type PartRetries } from "./part-job.ts";
import { doneParts, forgetDone, type PlanRecord, readRecord, writeRecord } from "./plan-record.ts";
import { type FleetQueue, withQueue } from "./queue.ts";

/** Output bytes of one part where nothing else is asked for. */
const PART_BYTE_LENGTH = 256_000_000;
/** Jobs that are added in one call. */
const BATCH = 1000;

/** How a plan is submitted. */
export interface SubmitOptions {
  /** `redis://…` or `rediss://…` */
  readonly url: string;
  /** Where every worker finds the plan. */
  readonly address: string;
  /** Into how many parts the plan is cut. Default: parts of 256 MB; for statistics, one for each slice. */
  readonly count?: number | undefined;
  /** Smaller numbers come first. Default 100. */
  readonly priority?: number | undefined;
  /** How often a part is tried. Default 5. */
  readonly attempts?: number | undefined;
  /** Milliseconds before the second attempt. Default 5000. */
  readonly backoff?: number | undefined;
  /** Also the parts that are done: those that the output holds do nothing. */
  readonly again?: boolean | undefined;
}

/** What was put into the queue. */
export interface Submission extends PlanRecord {
  /** Parts that were put into the queue now: new ones, and those that had failed. */
  readonly added: number;
  /** Parts that waited, or were being made, before. */
  readonly queued: number;
  /** Parts that were done before. */
  readonly done: number;
}

/**
 * Puts the parts of a plan into the queue. A plan that is there already gets the parts that are missing, and its failed parts
 * are tried again.
 * @throws UsageError for another number of parts than before; IoError where Redis does not answer
 */
export async function submitPlan(
  saved: SavedPlan | SavedStatisticsPlan,
  options: SubmitOptions,
): Promise<Submission> {
  return withQueue(options.url, "ask", async (fleet) => {
    const { redis } = fleet;
    const record = recordOf(saved, options, await readRecord(redis, saved.id));
    if (options.again === true) await forgetDone(redis, record);
    // first: a worker must find the record of each part
    await writeRecord(redis, record);
    const isDone = await doneParts(redis, record);
    const parts: FleetPart[] = [];
    for (let part = 1; part <= record.count; part++) {
      const { plan, address, count } = record;
      if (!isDone(part)) parts.push({ plan, address, part, count });
    }
    await removeFailed(fleet, parts);
    const queued = await queuedOf(fleet, parts);
    await addParts(fleet.queue, parts, {
      priority: options.priority ?? 100,
      attempts: options.attempts ?? 5,
      backoff: options.backoff ?? 5000,
    });
    return { ...record, added: parts.length - queued, queued, done: record.count - parts.length };
  });
}

/** What is known of a plan before it is cut into parts. */
function summaryOf(saved: SavedPlan | SavedStatisticsPlan): Omit<PlanRecord, "address"> {
  if (!("plan" in saved)) {
    const { id, file, byteLength, slices } = saved;
    return { plan: id, name: file, count: slices, byteLength };
  }
  const { id, plan } = saved;
  const [first] = plan.files;
  const count = Math.max(1, Math.ceil(plan.byteLength / PART_BYTE_LENGTH));
  return { plan: id, name: first?.name ?? plan.target.text, count, byteLength: plan.byteLength };
}

function recordOf(
  saved: SavedPlan | SavedStatisticsPlan,
  { address, count, again }: SubmitOptions,
  known: PlanRecord | undefined,
): PlanRecord {
  const summary = summaryOf(saved);
  const own = count ?? known?.count ?? summary.count;
  if (known !== undefined && known.count !== own && again !== true) {
    throw new UsageError(`The plan was submitted in ${known.count} parts, and ${own} are asked for now.`, {
      hint: `Ask for ${known.count} parts, or give \`again\`.`,
    });
  }
  return { ...summary, address, count: own };
}

/** A job that failed keeps its name, and no other of this name can be added. */
async function removeFailed({ queue }: FleetQueue, parts: readonly FleetPart[]): Promise<void> {
  const own = new Set(parts.map(jobIdOf));
  for (let start = 0; ; ) {
    const failed = await queue.getFailed(start, start + BATCH - 1);
    if (failed.length === 0) return;
    for (const job of failed) {
      if (job.id !== undefined && own.has(job.id)) await job.remove();
      else start += 1;
    }
  }
}

/** How many of the parts are in the queue: they are not added a second time. */
async function queuedOf({ redis, queue }: FleetQueue, parts: readonly FleetPart[]): Promise<number> {
  let queued = 0;
  for (let start = 0; start < parts.length; start += BATCH) {
    queued += await redis.exists(parts.slice(start, start + BATCH).map((part) => queue.toKey(jobIdOf(part))));
  }
  return queued;
}

async function addParts(queue: Queue, parts: readonly FleetPart[], retries: PartRetries): Promise<void> {
  for (let start = 0; start < parts.length; start += BATCH) {
    await queue.addBulk(
      parts
        .slice(start, start + BATCH)
        .map((data) => ({ name: "part", data, opts: jobOptions(data, retries) })),
    );
  }
}

import { UsageError } from "@requant/core";
import { jobIdOf, partOf } from "./part-job.ts";
import { forgetPlan, readRecord, submittedPlans } from "./plan-record.ts";
import { withQueue } from "./queue.ts";

/** Parts that are removed at the same time. */
const BATCH = 1000;
/** Characters of an id that name a plan: as many as the status shows. */
const SHORTEST_ID = 16;

/** What was taken out of the queue. */
export interface Removal {
  /** The id of the saved plan. */
  readonly plan: string;
  /** Parts that waited or had failed. */
  readonly removed: number;
  /** Parts that workers make now: they end by themselves. */
  readonly running: number;
}

/**
 * Takes the parts of a plan out of the queue, and forgets which ones are done. What parts have made stays.
 * @param id of a saved plan, or its first 16 characters or more
 * @throws UsageError for a plan that was not submitted; IoError where Redis does not answer
 */
export async function removePlan(url: string, id: string): Promise<Removal> {
  return withQueue(url, "ask", async ({ redis, queue }) => {
    const [plan, other] =
      id.length < SHORTEST_ID ? [] : (await submittedPlans(redis)).filter((known) => known.startsWith(id));
    const record = plan === undefined || other !== undefined ? undefined : await readRecord(redis, plan);
    if (plan === undefined || record === undefined) {
      throw new UsageError("The plan was not submitted to this queue.", {
        hint: "Give the id that the status shows, or the file of the plan.",
      });
    }
    const { count } = record;
    let removed = 0;
    for (let start = 1; start <= count; start += BATCH) {
      const parts = Array.from({ length: Math.min(BATCH, count - start + 1) }, (_, index) => start + index);
      const gone = await Promise.all(
        parts.map(async (part) => {
          const jobId = jobIdOf({ plan, part, count });
          return (await redis.exists(queue.toKey(jobId))) === 1 && (await queue.remove(jobId)) === 1;
        }),
      );
      removed += gone.filter((each) => each).length;
    }
    const left = await queue.getActive();
    const running = left.filter(({ data }) => partOf(data)?.plan === plan).length;
    await forgetPlan(redis, record);
    return { plan, removed, running };
  });
}

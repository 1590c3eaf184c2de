/** What the queue holds: references to the parts of plans. No tensor and no secret is in it. */
import type { PartNumber } from "@requant/convert";
import { FormatError, misfitOf } from "@requant/core";
import type { JobsOptions } from "bullmq";
import * as z from "zod";

/** Begins all keys in Redis. */
export const PREFIX = "requant";
/** The queue of all parts. */
export const QUEUE = "parts";

/** One part of a plan, as the queue holds it. */
export interface FleetPart extends PartNumber {
  /** The id of the saved plan: a worker refuses a file that holds another one. */
  readonly plan: string;
  /** Where every worker finds the saved plan: a path on a shared folder, or an address. */
  readonly address: string;
}

const schema: z.ZodType<FleetPart> = z.object({
  plan: z.string().regex(/^[0-9a-f]{64}$/),
  address: z.string().min(1).max(4096),
  part: z.int().positive(),
  count: z.int().positive(),
});

/** @throws FormatError for what another program has put into the queue */
export function parsePartJob(data: unknown): FleetPart {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const [first] = result.error.issues;
  throw new FormatError(
    `The queue holds a job that is no part of a plan: ${misfitOf(first ? [first] : [], data)}.`,
    {
      hint: "Let no other program use the queue.",
    },
  );
}

/** The part that a job is about; undefined for what another program has put into the queue. */
export function partOf(data: unknown): FleetPart | undefined {
  return schema.safeParse(data).data;
}

/** The name of a part's job: it is in the queue once. */
export function jobIdOf({ plan, part, count }: Pick<FleetPart, "plan" | "part" | "count">): string {
  return `${plan.slice(0, 16)}-${count}-${part}`;
}

/** How often, and how soon, a part is tried. */
export interface PartRetries {
  readonly priority: number;
  readonly attempts: number;
  /** Milliseconds before the second attempt; each further wait is twice as long. */
  readonly backoff: number;
}

export function jobOptions(part: FleetPart, { priority, attempts, backoff }: PartRetries): JobsOptions {
  return {
    jobId: jobIdOf(part),
    priority,
    attempts,
    backoff: { type: "exponential", delay: backoff, jitter: 0.5 },
    // done parts are bits of the plan's record
    removeOnComplete: true,
    removeOnFail: false,
  };
}

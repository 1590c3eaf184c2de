/** What the options of `fleet` say. */
import { availableParallelism, totalmem } from "node:os";
import { UsageError } from "@requant/core";
import { parseByteSize, parseCount } from "@requant/core/text";
import * as z from "zod";
import { byteQuantity } from "../render/quantity.ts";

/** What commander parsed. */
export const fleetArguments = z.object({
  redis: z.string().optional(),
  parts: z.string().optional(),
  priority: z.string().optional(),
  attempts: z.string().optional(),
  again: z.boolean().optional(),
  memory: z.string().optional(),
  jobs: z.number().optional(),
  untilEmpty: z.boolean().optional(),
  stalledAfter: z.string().optional(),
});

export type FleetArguments = z.infer<typeof fleetArguments>;

/** @throws UsageError where no address is given */
export function redisUrl({ redis }: FleetArguments, environment: NodeJS.ProcessEnv = process.env): string {
  const url = redis ?? environment["REDIS_URL"];
  if (url !== undefined && url !== "") return url;
  throw new UsageError("No address of Redis is given.", {
    hint: "Set REDIS_URL, or give --redis redis://host:6379. A password belongs in REDIS_URL: arguments are seen by all users of a machine.",
  });
}

/** @throws UsageError for what is no whole number from `least` to `most` */
export function wholeNumber(
  option: string,
  text: string | undefined,
  least: number,
  most: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = parseCount(text);
  if (value >= least && value <= most) return value;
  throw new UsageError(`The option ${option} is ${text}.`, {
    hint: `Give a whole number from ${least} to ${most}.`,
  });
}

/** Memory of a process that makes one part, whatever the model's size, and of each of its threads. */
const PART_BYTE_LENGTH = 150_000_000;
const THREAD_BYTE_LENGTH = 60_000_000;
/** Share of a machine's memory that is used where none is given. */
const MEMORY_SHARE = 0.75;

/**
 * How many parts a machine makes at the same time: as many as its memory holds, and not more than it has cores for.
 * @throws UsageError where the given memory is too little for one
 */
export function partsAtOnce(
  { memory, jobs = 1 }: Pick<FleetArguments, "memory" | "jobs">,
  machine: { readonly memory: number; readonly cores: number } = {
    memory: machineMemory(),
    cores: availableParallelism(),
  },
): number {
  const one = PART_BYTE_LENGTH + THREAD_BYTE_LENGTH * jobs;
  const given = memory === undefined ? undefined : parseByteSize(memory);
  if (given !== undefined && given < one) {
    throw new UsageError(
      `One part needs ${byteQuantity(one)} of memory, and ${byteQuantity(given)} are given.`,
      {
        hint: "Give more memory, or fewer --jobs.",
      },
    );
  }
  const fitting = Math.floor((given ?? machine.memory * MEMORY_SHARE) / one);
  return Math.max(1, Math.min(fitting, Math.floor(machine.cores / jobs)));
}

/** That of the machine, or of the container that it is. */
function machineMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}

import { resolve } from "node:path";
import { submitPlan } from "@requant/fleet";
import type { Context } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { locate } from "../locate.ts";
import { readSavedPlan } from "../parts/open-plan.ts";
import { refuseSecrets } from "../parts/refuse-secrets.ts";
import { counted } from "../render/quantity.ts";
import { writeJson } from "../streams.ts";
import { type FleetArguments, redisUrl, wholeNumber } from "./settings.ts";

const MOST_PARTS = 1_000_000;
/** The largest priority of BullMQ. */
const MOST_PRIORITY = 2 ** 21;

/** Puts the parts of a plan into the queue. */
export async function submit(argument: string, given: FleetArguments, context: Context): Promise<number> {
  const url = redisUrl(given);
  const saved = await readSavedPlan(argument, context);
  const { directory } = await locate(argument, context);
  if (directory === undefined) refuseSecrets(argument);
  const { added, queued, done, count } = await submitPlan(saved, {
    url,
    address: directory === undefined ? argument : resolve(argument),
    count: wholeNumber("--parts", given.parts, 1, MOST_PARTS),
    priority: wholeNumber("--priority", given.priority, 1, MOST_PRIORITY),
    attempts: wholeNumber("--attempts", given.attempts, 1, 1000),
    again: given.again,
  });
  const { streams, options } = context;
  if (options.json === true) writeJson(streams, { plan: saved.id, parts: count, added, queued, done });
  else if (options.quiet !== true) {
    const counts = [
      `${counted(added, "part")} of ${count} submitted`,
      ...(queued === 0 ? [] : [`${queued} in the queue already`]),
      ...(done === 0 ? [] : [`${done} done already`]),
    ];
    streams.out.write(`${counts.join(", ")}\nid ${saved.id}\n`);
  }
  return exitStatus.done;
}

import { removePlan } from "@requant/fleet";
import type { Context } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { readSavedPlan } from "../parts/open-plan.ts";
import { counted } from "../render/quantity.ts";
import { writeJson } from "../streams.ts";
import { type FleetArguments, redisUrl } from "./settings.ts";

/** Takes a plan out of the queue. @param argument its id, or its file */
export async function remove(argument: string, given: FleetArguments, context: Context): Promise<number> {
  const url = redisUrl(given);
  const isId = /^[0-9a-f]{16,64}$/.test(argument);
  const report = await removePlan(url, isId ? argument : (await readSavedPlan(argument, context)).id);
  const { streams, options } = context;
  if (options.json === true) writeJson(streams, report);
  else if (options.quiet !== true) {
    const running = report.running === 0 ? "" : `, ${report.running} still running`;
    streams.out.write(`${counted(report.removed, "part")} removed from the queue${running}\n`);
  }
  return exitStatus.done;
}

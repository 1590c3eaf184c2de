import { printable } from "@requant/core/text";
import { fleetStatus, type PlanStatus } from "@requant/fleet";
import type { Context } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { readSavedPlan } from "../parts/open-plan.ts";
import { byteQuantity, duration } from "../render/quantity.ts";
import { writeJson } from "../streams.ts";
import { type FleetArguments, redisUrl } from "./settings.ts";

/** Failed parts that are listed of each plan; JSON has all. */
const MOST_LISTED = 10;

/** How far the plans are. @returns 1 where a part has failed for good */
export async function status(
  argument: string | undefined,
  given: FleetArguments,
  context: Context,
): Promise<number> {
  const url = redisUrl(given);
  const id = argument === undefined ? undefined : (await readSavedPlan(argument, context)).id;
  const report = await fleetStatus(url, id);
  const { streams, options } = context;
  if (options.json === true) writeJson(streams, report);
  else if (report.plans.length === 0) streams.out.write("no plan was submitted\n");
  else streams.out.write(report.plans.map(textOf).join(""));
  return report.plans.some(({ failed }) => failed.length > 0) ? exitStatus.different : exitStatus.done;
}

function textOf(plan: PlanStatus): string {
  const { name, count, done, active, waiting, failed, bytesPerSecond, secondsLeft } = plan;
  const share = Math.floor((done / count) * 100);
  const counts = [
    `${done} of ${count} parts done (${share} %)`,
    ...(active === 0 ? [] : [`${active} running`]),
    ...(waiting === 0 ? [] : [`${waiting} waiting`]),
    ...(failed.length === 0 ? [] : [`${failed.length} failed`]),
    ...(bytesPerSecond === undefined ? [] : [`${byteQuantity(bytesPerSecond)}/s`]),
    ...(secondsLeft === undefined || done === count ? [] : [`${duration(secondsLeft)} left`]),
  ];
  const faults = failed
    .slice(0, MOST_LISTED)
    .map(
      ({ part, attempts, message }) =>
        `  part ${part}/${count}, attempt ${attempts}: ${printable(message)}\n`,
    );
  const more = failed.length > MOST_LISTED ? `  and ${failed.length - MOST_LISTED} more\n` : "";
  return `${plan.plan.slice(0, 16)}  ${printable(name)}: ${counts.join(", ")}\n${faults.join("")}${more}`;
}

import { printable } from "@requant/core/text";
import { type WorkEvent, type WorkReport, workOnParts } from "@requant/fleet";
import type { Context } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { counted, duration } from "../render/quantity.ts";
import { tell } from "../render/tell.ts";
import { writeJson } from "../streams.ts";
import { PartProcesses } from "./part-process.ts";
import { type FleetArguments, partsAtOnce, redisUrl, wholeNumber } from "./settings.ts";

/** Makes parts until the process is asked to end, or nothing is left. @returns 1 where nothing is left, and a part has failed for good here */
export async function work(given: FleetArguments, context: Context): Promise<number> {
  const { signal, streams, options } = context;
  const url = redisUrl(given);
  const concurrency = partsAtOnce(given);
  const stalledAfter = wholeNumber("--stalled-after", given.stalledAfter, 1, 3600);
  const processes = new PartProcesses(given.jobs ?? 1);
  tell(`Working on ${counted(concurrency, "part")} at the same time.`, context);
  const onAbort = (): void => tell("No further part is begun; the running ones are finished.", context);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const report = await workOnParts({
      url,
      concurrency,
      run: (part) => processes.make(part),
      signal,
      untilEmpty: given.untilEmpty,
      stalledAfter,
      onEvent: (event) => tell(printable(textOf(event)), context),
    });
    if (options.json === true) writeJson(streams, report);
    else if (options.quiet !== true) {
      streams.out.write(`${summaryOf(report)}\n`);
    }
    return given.untilEmpty === true && report.failedForGood > 0 ? exitStatus.different : exitStatus.done;
  } finally {
    signal.removeEventListener("abort", onAbort);
    await processes.close();
  }
}

function summaryOf({ done, failed, failedForGood }: WorkReport): string {
  const parts = [
    `${counted(done, "part")} done`,
    ...(failed === 0 ? [] : [`${counted(failed, "attempt")} failed`]),
    ...(failedForGood === 0 ? [] : [`${counted(failedForGood, "part")} failed for good`]),
  ];
  return parts.join(", ");
}

function textOf(event: WorkEvent): string {
  if (event.kind === "redis") return `Redis: ${event.message}`;
  const { part } = event;
  const name = part === undefined ? "a job" : `part ${part.part}/${part.count} of ${part.plan.slice(0, 8)}`;
  if (event.kind === "started") return `${name} begun`;
  return event.kind === "done"
    ? `${name} done in ${duration(event.seconds)}`
    : `${name} failed: ${event.message}`;
}

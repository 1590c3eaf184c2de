import { isStatisticsPlan, type PartOptions } from "@requant/convert";
import * as z from "zod";
import type { Handler } from "../context.ts";
import { readSavedPlan, withSavedPlan } from "../parts/open-plan.ts";
import { runLines } from "../parts/part-lines.ts";
import { parsePart } from "../parts/part-number.ts";
import { tellPart } from "../parts/part-report.ts";
import { ProgressBar } from "../render/progress.ts";
import { threads } from "../threads.ts";

const runArguments = z.object({
  part: z.string(),
  jobs: z.number().optional(),
  id: z.string().optional(),
  /** False under `--no-verify`. */
  verify: z.boolean(),
});

/** One part of a saved plan. */
export const run: Handler = async ([argument = ""], given, context) => {
  const { part, jobs, id, verify } = runArguments.parse(given);
  const number = part === "-" ? undefined : parsePart(part);
  const saved = await readSavedPlan(argument, context, id);
  if (isStatisticsPlan(saved)) {
    const { runStatistics } = await import("../parts/statistics-parts.ts");
    return runStatistics(saved, number, { jobs, check: verify }, context);
  }
  const how: PartOptions = { check: verify, signal: context.signal, workers: threads({ jobs }) };
  return withSavedPlan(saved, context, async (parts) => {
    if (number === undefined) return runLines(parts, context, how);
    const bar = new ProgressBar(context.streams.err, context.options.quiet === true);
    const onProgress: PartOptions["onProgress"] = ({ done, total }) => bar.update(done, total);
    return tellPart(
      context,
      parts.run(number, { ...how, onProgress }).finally(() => bar.end()),
    );
  });
};

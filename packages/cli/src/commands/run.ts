import type { PartOptions, PartReport } from "@requant/convert";
import { nodeWorkers } from "@requant/convert/node";
import * as z from "zod";
import type { Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { withSavedPlan } from "../parts/open-plan.ts";
import { runLines } from "../parts/part-lines.ts";
import { parsePart } from "../parts/part-number.ts";
import { ProgressBar } from "../render/progress.ts";
import { byteQuantity, counted, duration } from "../render/quantity.ts";
import { writeJson } from "../streams.ts";

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
  const { streams, signal, options } = context;
  const number = part === "-" ? undefined : parsePart(part);
  const how: PartOptions = { check: verify, signal, workers: nodeWorkers({ jobs }) };
  return withSavedPlan(
    argument,
    context,
    async (parts) => {
      if (number === undefined) return runLines(parts, context, how);
      const bar = new ProgressBar(streams.err, options.quiet === true);
      const report = await parts
        .run(number, { ...how, onProgress: ({ done, total }) => bar.update(done, total) })
        .finally(() => bar.end());
      if (options.json === true) writeJson(streams, report);
      else if (options.quiet !== true) streams.out.write(`${summary(report)}\n`);
      return exitStatus.done;
    },
    id,
  );
};

function summary({ part, count, state, pieceCount, madeCount, byteLength, seconds }: PartReport): string {
  const text: Readonly<Record<PartReport["state"], string>> = {
    made: `${byteQuantity(byteLength)}, ${counted(madeCount, "piece")} of ${pieceCount} made in ${duration(seconds)}`,
    whole: `${byteQuantity(byteLength)}, made already`,
    published: "the output is finished already",
  };
  return `part ${part}/${count}: ${text[state]}`;
}

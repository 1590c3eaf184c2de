import { reportsByTarget, runFindings, warningsOf } from "@requant/convert";
import { nodeWorkers } from "@requant/convert/node";
import * as z from "zod";
import type { Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { withSavedPlan } from "../parts/open-plan.ts";
import { showWarnings } from "../render/findings.ts";
import { ProgressBar } from "../render/progress.ts";
import { renderReports, reportsJson } from "../render/reports.ts";
import { writeJson } from "../streams.ts";

const finishArguments = z.object({
  jobs: z.number().optional(),
  /** False under `--no-verify`. */
  verify: z.boolean(),
});

/** Checks all parts of a saved plan and publishes the output. */
export const finish: Handler = async ([argument = ""], given, context) => {
  const { jobs, verify } = finishArguments.parse(given);
  const { streams, signal, options, look } = context;
  return withSavedPlan(argument, context, async (parts, model) => {
    const bar = new ProgressBar(streams.err, options.quiet === true);
    const report = await parts
      .finish({
        check: verify,
        signal,
        workers: nodeWorkers({ jobs }),
        onProgress: ({ done, total }) => bar.update(done, total),
      })
      .finally(() => bar.end());
    const { plan, output, options: kept } = parts.saved;
    const reported = { plan, model, report, isRemote: false };
    const findings = reportsByTarget(plan, report).map((own) => warningsOf(runFindings(own, kept)));
    showWarnings(findings.flat(), streams, options);
    if (options.json === true) writeJson(streams, reportsJson(reported, findings));
    else if (options.quiet !== true) {
      streams.out.write(`${renderReports(reported, { tensors: false, look, shownOutput: () => output })}\n`);
    }
    return exitStatus.done;
  });
};

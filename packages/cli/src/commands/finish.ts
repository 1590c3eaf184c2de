import {
  abandonParts,
  abandonShared,
  isStatisticsPlan,
  reportsByTarget,
  runFindings,
  type SavedPlan,
  type SavedStatisticsPlan,
  warningsOf,
} from "@requant/convert";
import { directoryStore } from "@requant/core/node";
import * as z from "zod";
import type { Context, Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { shownOutput } from "../output.ts";
import { outputStore, readSavedPlan, withSavedPlan } from "../parts/open-plan.ts";
import { showWarnings } from "../render/findings.ts";
import { ProgressBar } from "../render/progress.ts";
import { renderReports, reportsJson } from "../render/reports.ts";
import { tell } from "../render/tell.ts";
import { writeJson } from "../streams.ts";
import { threads } from "../threads.ts";

const finishArguments = z.object({
  abort: z.boolean().optional(),
  jobs: z.number().optional(),
  /** False under `--no-verify`. */
  verify: z.boolean(),
});

const FINISHED_ALREADY =
  "The output is finished already. Nothing was read again, so there are no errors to tell.";

/** Why there was nothing to remove: the output is there, or no part was run. */
async function nothingRemoved(saved: SavedPlan | SavedStatisticsPlan, context: Context): Promise<string> {
  const store = isStatisticsPlan(saved) ? directoryStore(saved.output) : await outputStore(saved, context);
  const files = isStatisticsPlan(saved) ? [{ name: saved.file }] : saved.plan.files;
  const { replaces } = saved.options;
  for (const { name, ...planned } of files) {
    const file = await store.open(name);
    await file?.close();
    const old = replaces === null || typeof replaces !== "object" ? replaces : replaces[name];
    const isOld = old !== undefined && old === (file?.version ?? null);
    const isOther = "byteLength" in planned && planned.byteLength !== file?.byteLength;
    if (file === undefined || isOld || isOther)
      return "There is nothing to remove: no part has made anything.";
  }
  return "There is nothing to remove: the output is finished, and stays.";
}

/** Checks all parts of a saved plan and publishes the output; or removes them. */
export const finish: Handler = async ([argument = ""], given, context) => {
  const { abort, jobs, verify } = finishArguments.parse(given);
  const { streams, signal, options, look } = context;
  const saved = await readSavedPlan(argument, context);
  const isOfStatistics = isStatisticsPlan(saved);
  if (abort === true) {
    const wasThere = await (isOfStatistics
      ? abandonShared(saved, directoryStore(saved.output))
      : abandonParts(saved, await outputStore(saved, context)));
    tell(wasThere ? "What the parts have made is removed." : await nothingRemoved(saved, context), context);
    return exitStatus.done;
  }
  if (isOfStatistics) {
    const { finishStatistics } = await import("../parts/statistics-parts.ts");
    return finishStatistics(saved, { jobs, check: verify }, context);
  }
  return withSavedPlan(saved, context, async (parts, model) => {
    const bar = new ProgressBar(streams.err, options.quiet === true);
    const report = await parts
      .finish({
        check: verify,
        signal,
        workers: threads({ jobs }),
        onProgress: ({ done, total }) => bar.update(done, total),
      })
      .finally(() => bar.end());
    const { plan, output, options: kept } = parts.saved;
    const reported = { plan, model, report, isRemote: false };
    const { finishedAlready } = report;
    const findings = reportsByTarget(plan, report).map((own) =>
      finishedAlready === true ? [] : warningsOf(runFindings(own, kept)),
    );
    showWarnings(findings.flat(), streams, options);
    if (options.json === true) {
      writeJson(streams, { ...(finishedAlready && { finishedAlready }), ...reportsJson(reported, findings) });
    } else if (options.quiet !== true) {
      if (finishedAlready) streams.out.write(`${FINISHED_ALREADY}\n\n`);
      const place = { argument: output, directory: output, name: undefined };
      const text = renderReports(reported, {
        tensors: false,
        look,
        shownOutput: (files) => shownOutput(place, files),
      });
      streams.out.write(`${text}\n`);
    }
    return exitStatus.done;
  });
};

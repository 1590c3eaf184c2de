/** Plans for calibration statistics: how `calibrate --plan-out` saves one, and how `run` and `finish` open it. */
import { basename, dirname, join, resolve } from "node:path";
import {
  type CollectStatisticsOptions,
  describeSlices,
  openStatisticsParts,
  type PartNumber,
  plannedVersions,
  refuseSourceFiles,
  type SavedStatisticsPlan,
  type StatisticsParts,
  savedStatisticsPlan,
  warningsOf,
} from "@requant/convert";
import { IoError, UsageError } from "@requant/core";
import { directoryStore, fileSink } from "@requant/core/node";
import { BUILTIN } from "../calibration-options.ts";
import type { Context } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { fileHash } from "../file-hash.ts";
import { calibrationTextOf, countOption, measured } from "../measure-arguments.ts";
import { withModel } from "../open.ts";
import { showWarnings } from "../render/findings.ts";
import { counted } from "../render/quantity.ts";
import { statisticsSummary } from "../render/statistics.ts";
import { tell } from "../render/tell.ts";
import { writeJson } from "../streams.ts";
import { refuseChanged } from "./open-plan.ts";
import { runLines } from "./part-lines.ts";
import { tellPart } from "./part-report.ts";
import { refuseOpenUploads } from "./refuse-open-uploads.ts";
import { refuseNoPath, refuseSourceAsPlan } from "./refuse-plan-place.ts";
import { savedAddress } from "./refuse-secrets.ts";
import { sameEverywhere } from "./same-everywhere.ts";

type Given = Readonly<Record<string, unknown>>;

/** Options that a saved plan does not take. */
const ELSEWHERE = {
  resume: ["--resume", "Leave it out: parts that are made are not made again."],
  jobs: ["--jobs", "Leave out --jobs, or give it to requant run."],
  device: ["--device", "Leave it out: parts are computed by processors."],
} as const;

/** Saves the plan in place of reading the text. @param path of the statistics */
export async function saveStatisticsPlan(
  argument: string,
  path: string,
  given: Given,
  context: Context,
): Promise<void> {
  for (const [option, [flag, hint]] of Object.entries(ELSEWHERE)) {
    if (given[option] === undefined || given[option] === false) continue;
    throw new UsageError(`The options --plan-out and ${flag} do not go together.`, { hint });
  }
  const planOut = String(given["planOut"]);
  refuseNoPath(planOut);
  const planPath = resolve(planOut);
  if (planPath === path) {
    throw new UsageError("The plan and the output have the same path.", {
      path: planOut,
      hint: "Save the plan into a folder of its own.",
    });
  }
  const textArgument = String(given["text"]);
  const text = await calibrationTextOf(textArgument);
  const overwrite = given["overwrite"] === true;
  const options: Pick<CollectStatisticsOptions, "window" | "samples" | "seed"> = {
    window: countOption(given["window"]),
    samples: countOption(given["samples"]),
    seed: countOption(given["seed"]),
  };
  const textPath = textArgument === BUILTIN ? undefined : resolve(textArgument);
  const [output, file] = [dirname(path), basename(path)];
  await withModel(argument, sameEverywhere(context), async (model, location) => {
    await refuseSourceAsPlan(planPath, model, textPath === undefined ? [] : [textPath]);
    await refuseSourceFiles(model, directoryStore(output), [file]);
    const old = await directoryStore(output).open(file);
    await old?.close();
    if (old !== undefined && !overwrite) {
      throw new IoError("The output exists already.", {
        path,
        hint: "Choose another name, or give --overwrite to replace it.",
      });
    }
    const slices = countOption(given["slices"]);
    const saved = savedStatisticsPlan({
      source: { address: savedAddress(argument, location), versions: await plannedVersions(model) },
      ...(textPath === undefined
        ? {}
        : { text: { path: textPath, sha256: await fileHash(textPath, context.signal) } }),
      options: {
        ...options,
        ...(overwrite ? { overwrite, replaces: old === undefined ? undefined : (old.version ?? null) } : {}),
      },
      output,
      file,
      ...(await describeSlices(model, { ...options, text, slices }, context.signal)),
    });
    if (overwrite) await refuseOpenUploads(planPath, planOut, context);
    const sink = await fileSink(planPath, { overwrite });
    try {
      await sink.write(new TextEncoder().encode(`${JSON.stringify(saved)}\n`));
      await sink.close();
    } catch (error) {
      await sink.abort();
      throw error;
    }
    report(saved, planOut, context);
  });
}

function report(saved: SavedStatisticsPlan, planOut: string, context: Context): void {
  const { windows, window, slices, byteLength } = saved;
  const { streams, options } = context;
  if (options.json === true) writeJson(streams, { plan: saved.id, windows, window, slices, byteLength });
  else if (options.quiet !== true) {
    streams.out.write(`${windows} windows of ${window} tokens in ${counted(slices, "slice")}\n`);
  }
  tell(
    `The plan is saved. Next: requant run ${planOut} --part 1/n, to n/n with n up to ${slices}, on any machines; then requant finish ${planOut}.`,
    context,
  );
}

/** Opens such a plan with its model and its text. */
async function withStatisticsParts<T>(
  saved: SavedStatisticsPlan,
  context: Context,
  use: (parts: StatisticsParts) => Promise<T>,
): Promise<T> {
  if (saved.text !== undefined) await refuseChanged(saved.text, context);
  const text = await calibrationTextOf(saved.text?.path ?? BUILTIN);
  return withModel(saved.source.address, sameEverywhere(context), async (model) =>
    use(
      await openStatisticsParts(
        saved,
        model,
        text,
        directoryStore(saved.output, { overwrite: saved.options.overwrite === true }),
      ),
    ),
  );
}

/** Makes a part, or those that lines of the input ask for. */
export async function runStatistics(
  saved: SavedStatisticsPlan,
  number: PartNumber | undefined,
  { jobs, check }: { readonly jobs: number | undefined; readonly check: boolean },
  context: Context,
): Promise<number> {
  return withStatisticsParts(saved, context, (parts) =>
    measured(context, { jobs }, ({ onProgress, ...tools }) =>
      number === undefined
        ? runLines(parts, context, { check, ...tools })
        : tellPart(context, parts.run(number, { check, ...tools, onProgress })),
    ),
  );
}

/** Adds the slices. */
export async function finishStatistics(
  saved: SavedStatisticsPlan,
  { jobs, check }: { readonly jobs: number | undefined; readonly check: boolean },
  context: Context,
): Promise<number> {
  const { streams, options } = context;
  const report = await withStatisticsParts(saved, context, (parts) =>
    measured(context, { jobs }, (tools) => parts.finish({ check, ...tools })),
  );
  const { findings, finishedAlready, ...figures } = report;
  const warnings = warningsOf(findings);
  showWarnings(warnings, streams, options);
  const file = join(saved.output, saved.file);
  if (options.json === true) {
    writeJson(streams, { ...(finishedAlready && { finishedAlready }), file, ...figures, warnings });
  } else if (options.quiet !== true) {
    if (finishedAlready) streams.out.write("The output is finished already. Nothing was read again.\n");
    streams.out.write(`${statisticsSummary(file, figures)}\n`);
  }
  return exitStatus.done;
}

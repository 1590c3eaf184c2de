import { basename, dirname, resolve } from "node:path";
import {
  importanceMatrix,
  importanceOfStatistics,
  type MeasuredImportance,
  warningsOf,
} from "@requant/convert";
import { UsageError } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { type Imatrix, mergeImatrices, writeImatrix } from "@requant/gguf";
import type { Context, Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { readImatrixFile } from "../imatrix-file.ts";
import { calibrationTextOf, countOption, measured, temporaryStore } from "../measure-arguments.ts";
import { withModel } from "../open.ts";
import { showWarnings } from "../render/findings.ts";
import { counted } from "../render/quantity.ts";
import { writeJson } from "../streams.ts";

type Given = Readonly<Record<string, unknown>>;

export const imatrix: Handler = async ([argument], given, context) => {
  const { streams, options } = context;
  const output = String(given["output"]);
  const form = formOf(output);
  const others = await readOthers(given["merge"]);
  refuseHalf(argument, given, others.length);
  if (argument === undefined) refuseUnused(given, others);
  const path = resolve(output);
  const store = directoryStore(dirname(path), { overwrite: given["overwrite"] === true });
  const sink = await store.create(basename(path));
  try {
    const own =
      argument === undefined
        ? undefined
        : await withModel(argument, context, async (model) => measure(model, given, context));
    const all = own === undefined ? others : [own.imatrix, ...others];
    const [first] = all;
    const whole =
      all.length === 1 && first !== undefined ? first : mergeImatrices(all, countOption(given["window"]));
    await writeImatrix(sink, whole, { form });
    await sink.close();
    const warnings = warningsOf(own?.findings ?? []);
    showWarnings(warnings, streams, options);
    const { chunkCount, chunkSize } = whole;
    const entries = whole.entries.size;
    if (options.json) writeJson(streams, { file: path, entries, chunkCount, chunkSize, warnings });
    else if (options.quiet !== true) {
      streams.out.write(
        `${output}: ${counted(entries, "entry", "entries")} over ${chunkCount} chunks of ${chunkSize} tokens\n`,
      );
    }
    return exitStatus.done;
  } catch (error) {
    await sink.abort();
    throw error;
  }
};

async function measure(
  model: Parameters<typeof importanceMatrix>[0]["model"],
  given: Given,
  context: Context,
): Promise<MeasuredImportance> {
  const path = String(given["text"]);
  const text = await calibrationTextOf(path);
  return measured(context, given["jobs"], (tools) =>
    importanceMatrix({
      model,
      text,
      dataset: path,
      window: countOption(given["window"]),
      chunks: countOption(given["chunks"]),
      processOutput: given["processOutput"] === true,
      spill: temporaryStore(),
      ...tools,
    }),
  );
}

/** Matrices of either form, and files of statistics. */
async function readOthers(paths: unknown): Promise<Imatrix[]> {
  const matrices: Imatrix[] = [];
  for (const path of Array.isArray(paths) ? paths.map(String) : []) {
    const store = directoryStore(dirname(resolve(path)));
    matrices.push(
      /\.safetensors$/i.test(path)
        ? await importanceOfStatistics(store, basename(path))
        : await readImatrixFile(path),
    );
  }
  return matrices;
}

/** A model is measured on a text; matrices alone are merged. */
function refuseHalf(model: string | undefined, { text }: Given, others: number): void {
  if (model !== undefined && text !== undefined) return;
  if (model === undefined && text === undefined && others > 0) return;
  if (model !== undefined) {
    throw new UsageError("There is no text to measure the model on.", { hint: "Give it with --text FILE." });
  }
  throw new UsageError(
    text === undefined
      ? "There is nothing to measure or to merge."
      : "There is no model to measure on the text.",
    { hint: "Give a model and --text FILE, or files with --merge." },
  );
}

/** @throws UsageError for options of a measurement where matrices are only merged */
function refuseUnused(given: Given, others: readonly Imatrix[]): void {
  // a .dat file does not say how many tokens its chunks have
  const countsTokens = others.length > 1 && others.some(({ form }) => form === "dat");
  const flag = [
    ...(given["chunks"] === undefined ? [] : ["--chunks"]),
    ...(given["processOutput"] === true ? ["--process-output"] : []),
    ...(given["window"] === undefined || countsTokens ? [] : ["--window"]),
  ][0];
  if (flag === undefined) return;
  throw new UsageError(
    `The option ${flag} is about measuring a model, and there is none: files are merged.`,
    {
      hint: "Leave it out, or give a model and --text FILE.",
    },
  );
}

function formOf(output: string): "gguf" | "dat" {
  const [, ending] = /\.(gguf|dat)$/i.exec(output) ?? [];
  if (ending !== undefined) return ending.toLowerCase() === "dat" ? "dat" : "gguf";
  throw new UsageError("The name of an importance matrix ends in .gguf or .dat.", {
    hint: "Give --output imatrix.gguf, or imatrix.dat for the older form.",
  });
}

import { basename, dirname, resolve } from "node:path";
import {
  importanceOfStatistics,
  type WriteImportanceMatrixOptions,
  type WrittenImportance,
  warningsOf,
  writeImportanceMatrix,
} from "@requant/convert";
import { UsageError } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { type Imatrix, mergeImatrices, writeImatrix } from "@requant/gguf";
import type { Context, Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { readImatrixFile } from "../imatrix-file.ts";
import { refuseAddress } from "../local-file.ts";
import { calibrationTextOf, countOption, measured } from "../measure-arguments.ts";
import { withModel } from "../open.ts";
import { findingText, showWarnings } from "../render/findings.ts";
import { counted, earlierSteps } from "../render/quantity.ts";
import { tell } from "../render/tell.ts";
import { writeJson } from "../streams.ts";

type Given = Readonly<Record<string, unknown>>;

export const imatrix: Handler = async ([argument], given, context) => {
  const output = String(given["output"]);
  refuseAddress(output, "--output");
  const form = formOf(output);
  const others = await readOthers(given["merge"]);
  refuseHalf(argument, given, others.length);
  if (argument === undefined) refuseUnused(given, others);
  const path = resolve(output);
  const store = directoryStore(dirname(path), { overwrite: given["overwrite"] === true });
  const target: Target = { store, file: basename(path), form, others };
  const made =
    argument === undefined
      ? await merge(target, given)
      : await withModel(argument, context, (model) => measure(model, target, given, context));
  report(made, path, given, context);
  return exitStatus.done;
};

/** Where the matrix goes, and what is added to it. */
type Target = Required<Pick<WriteImportanceMatrixOptions, "store" | "file" | "form" | "others">>;

async function merge(
  { store, file, form = "gguf", others = [] }: Target,
  given: Given,
): Promise<WrittenImportance> {
  const [first] = others;
  const imatrix =
    others.length === 1 && first !== undefined ? first : mergeImatrices(others, countOption(given["window"]));
  const sink = await store.create(file);
  try {
    await writeImatrix(sink, imatrix, { form });
    await sink.close();
  } catch (error) {
    await sink.abort();
    throw error;
  }
  return { imatrix, findings: [], resumed: 0 };
}

async function measure(
  model: WriteImportanceMatrixOptions["model"],
  target: Target,
  given: Given,
  context: Context,
): Promise<WrittenImportance> {
  const path = String(given["text"]);
  const text = await calibrationTextOf(path);
  return measured(context, given, (tools) =>
    writeImportanceMatrix({
      ...target,
      model,
      text,
      dataset: path,
      window: countOption(given["window"]),
      chunks: countOption(given["chunks"]),
      processOutput: given["processOutput"] === true,
      overwrite: given["overwrite"] === true,
      resume: given["resume"] === true,
      ...tools,
      onFinding: ({ message, hint = "" }) => tell(findingText(`${message} ${hint}`), context),
    }),
  );
}

function report(
  { imatrix, findings, resumed }: WrittenImportance,
  path: string,
  given: Given,
  { streams, options }: Context,
): void {
  const warnings = warningsOf(findings);
  showWarnings(warnings, streams, options);
  const { chunkCount, chunkSize } = imatrix;
  const entries = imatrix.entries.size;
  if (options.json) writeJson(streams, { file: path, entries, chunkCount, chunkSize, resumed, warnings });
  else if (options.quiet !== true) {
    const what = `${counted(entries, "entry", "entries")} over ${chunkCount} chunks of ${chunkSize} tokens`;
    streams.out.write(`${given["output"]}: ${what}${earlierSteps(resumed)}\n`);
  }
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
    ...(given["device"] === undefined ? [] : ["--device"]),
    ...(given["resume"] === true ? ["--resume"] : []),
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

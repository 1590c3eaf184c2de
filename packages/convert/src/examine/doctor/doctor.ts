/** Everything wrong with a model, in one pass: files, headers, config against tensors, tokenizer, template, weights. */
import { type Finding, isCodecError } from "@requant/core";
import { familyShapeFindings, type HfFiles, hfToGguf } from "@requant/models";
import { completeFinding, finding } from "../../model/findings/finding.ts";
import type { Model, ModelLocation } from "../../model/model.ts";
import { openModel } from "../../model/open.ts";
import { inspectModel } from "../inspect.ts";
import { emptyFindings, headFindings } from "./directory.ts";
import { factFindings, nameFindings } from "./facts.ts";
import { folderFindings, joinedFindings } from "./folder.ts";
import { findingOfError, nameOf } from "./from-error.ts";
import { ggufFileFindings } from "./gguf-file.ts";
import { packedNeedFindings } from "./packed-needs.ts";
import { judgedFor, kindFindings, mainRuntimes, type Runtime } from "./runtimes.ts";
import { tokenizerJsonFindings } from "./tokenizer-json.ts";
import { weightFindings } from "./weights.ts";

/** What `examineModel` looks at. */
export interface DoctorOptions {
  /** False looks at headers and side files only. Default true: every weight is read. */
  readonly weights?: boolean | undefined;
  /** The program that is to run the model. Default: those that models of its format are made for. */
  readonly runtime?: Runtime | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called after each tensor, with the values that were read and those of all tensors. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Everything that `examineModel` found. */
export interface DoctorReport {
  readonly model: string;
  /** Errors first, then warnings, then notes. */
  readonly findings: readonly Finding[];
  /** The programs whose needs were looked at; none where the model could not be opened. */
  readonly runtimes: readonly Runtime[];
  /** No errors and no warnings. */
  readonly ok: boolean;
  readonly examined: { readonly files: number; readonly tensors: number; readonly weights: boolean };
}

const ranks = { error: 0, warning: 1, note: 2 } as const;

/**
 * Finds everything that is wrong with a model in one pass.
 * @throws IoError when there is nothing at the place at all
 */
export async function examineModel(
  location: ModelLocation,
  options: DoctorOptions = {},
): Promise<DoctorReport> {
  const { store, file } = location;
  const findings: Finding[] = [];
  const add = (found: readonly Finding[]): void => {
    for (const one of found) findings.push(one);
  };
  // a file that was named is opened with what belongs to it; its neighbours are other models
  const names = file === undefined ? await store.list() : undefined;
  if (names !== undefined) add(await folderFindings(store, names));
  let tensors = 0;
  let files = names?.length ?? 1;
  let chosen: readonly Runtime[] = options.runtime === undefined ? [] : [options.runtime];
  try {
    const model = await openModel(location, { signal: options.signal });
    try {
      tensors = model.tensors.length;
      files = names?.length ?? model.files.length;
      if (chosen.length === 0) chosen = mainRuntimes(model);
      add(await openModelFindings(model, file === undefined, chosen));
      add(await packedFindings(model, chosen, options.runtime !== undefined));
      if (options.weights !== false) {
        const ofWeights = await weightFindings(model, options);
        // half of an adapter's matrices begin as zeros
        add(ofWeights.filter(({ code }) => model.kind === undefined || code !== "zero-weights"));
      }
    } finally {
      await model.close();
    }
  } catch (error) {
    if (isCodecError(error)) {
      const isNowhere = error.code === "IO" && error.reason === undefined && names === undefined;
      if (isNowhere || error.code === "USAGE") throw error;
    }
    // what keeps a model from being opened is an error, whatever it is elsewhere
    const last: Finding = { ...findingOfError(error), severity: "error" };
    // opening stops at what the look at the files has found
    const known = findings.findIndex(({ code, path }) => code === last.code && path === last.path);
    if (known < 0) findings.push(last);
    else findings[known] = { ...(findings[known] ?? last), severity: "error" };
  }
  add(await joinedFindings(store, findings));
  // a file that cannot be opened says so each time that it is needed
  const distinct = new Map(findings.map((found) => [JSON.stringify(found), found]));
  const judged = judgedFor(chosen, [...distinct.values()]);
  const list = [...judged].sort((a, b) => ranks[a.severity] - ranks[b.severity]);
  return {
    model: file === undefined ? store.name : `${store.name.replace(/\/$/, "")}/${file}`,
    findings: list,
    runtimes: chosen,
    ok: list.every(({ severity }) => severity === "note"),
    examined: { files, tensors, weights: options.weights !== false && tensors > 0 },
  };
}

/** What an open model says of itself that cannot all be true. */
async function openModelFindings(
  model: Model,
  isFolder: boolean,
  runtimes: readonly Runtime[],
): Promise<Finding[]> {
  const inspection = await inspectModel(model);
  const empty = emptyFindings(model);
  // shapes of tensors that nobody understands contradict nothing, nor do those that have no values
  const isPartial = model.unclaimed.length > 0 || empty.length > 0 || model.kind !== undefined;
  const measured = isPartial ? [] : inspection.measured;
  const [only] = model.files;
  const file = model.files.length === 1 ? only?.name : undefined;
  return [
    ...inspection.findings.map((found) =>
      completeFinding({
        ...found,
        path: nameOf(found.path) ?? file,
        ...(found.code === "not-a-model" ? { severity: "error" } : {}),
      }),
    ),
    ...nameFindings(model.tensors),
    ...runtimes.flatMap((runtime) => kindFindings(model, runtime)),
    ...(model.gguf === undefined
      ? [
          ...empty,
          ...(isPartial ? [] : await headFindings(model)),
          ...(await directoryFindings(model, isFolder, isPartial)),
        ]
      : ggufFileFindings(model, model.gguf, runtimes[0] ?? "llama.cpp")),
    ...measured
      .filter(
        ({ agrees, claimed, label }) =>
          !agrees &&
          // an average is aimed at, not claimed
          label !== "bits per packed weight" &&
          // a file type names what it is a mix around, which need not be what most weights have
          !model.tensors.some(({ encoding }) => encoding === claimed),
      )
      .map(({ label, measured, claimed }) =>
        finding("config-disagrees", `The config says ${label} ${claimed}, the tensors say ${measured}.`, {
          key: label,
        }),
      ),
  ];
}

/**
 * Programs that nobody asked about: where one reads the model, what the others refuse is good to know; where no
 * configuration says which program the model is made for, it is a warning.
 */
async function packedFindings(
  model: Model,
  programs: readonly Runtime[],
  isAsked: boolean,
): Promise<Finding[]> {
  const lists: Finding[][] = [];
  for (const program of programs) lists.push(await packedNeedFindings(model, program));
  const isRead = lists.some((list) => list.length === 0);
  if (isAsked) return lists.flat();
  if (isRead) return lists.flat().map((found) => ({ ...found, severity: "note" }));
  return model.quantization === undefined
    ? lists.flat().map((found) => ({ ...found, severity: "warning" }))
    : lists.flat();
}

async function directoryFindings(model: Model, isFolder: boolean, isPartial: boolean): Promise<Finding[]> {
  if (model.kind !== undefined) return [];
  // one file of safetensors may hold anything; a folder of them is a model
  if (model.hf?.config === undefined)
    return isFolder ? [finding("no-config", "There is no config.json.")] : [];
  let files: HfFiles;
  try {
    files = await model.hf.sideFiles();
  } catch (error) {
    return [findingOfError(error, undefined, "config-invalid")];
  }
  return [
    ...remoteCodeFindings(files),
    // rows that were never gathered lack every token
    ...(emptyFindings(model).length > 0 ? [] : tokenizerJsonFindings(files)),
    ...(isPartial ? [] : plannedFindings(files)),
  ];
}

/** The directory planned as GGUF, which holds config, tensors and tokenizer against each other. */
function plannedFindings(files: HfFiles): Finding[] {
  const hasTokenizer = files.tokenizerJson !== undefined || files.tokenizerModel !== undefined;
  const missing = hasTokenizer
    ? []
    : [finding("no-tokenizer", "There is no tokenizer.json or tokenizer.model.")];
  const plan = (tokenizer: boolean): Finding[] => {
    const { metadata, tensors } = hfToGguf(files, { fileType: "F16", tokenizer, contradictions: "report" });
    const facts = factFindings(metadata, tensors);
    // the table of what llama.cpp needs tells which tensors a family has, and how their sizes follow from the configuration
    const shapes = familyShapeFindings(metadata, tensors).map((found) => completeFinding(found));
    return [
      ...facts,
      ...shapes.filter(
        (found) => !facts.some(({ code, tensor }) => code === found.code && tensor === found.tensor),
      ),
    ];
  };
  try {
    return [...missing, ...plan(hasTokenizer)];
  } catch (error) {
    const first = findingOfError(error, undefined, codeOfPlan(error));
    if (!hasTokenizer || first.code === "unknown-architecture") return [...missing, first];
    // a broken tokenizer must not hide what is wrong with the weights
    try {
      return [first, ...plan(false)];
    } catch {
      return [first];
    }
  }
}

function codeOfPlan(error: unknown): "tokenizer-invalid" | "config-invalid" | undefined {
  if (!isCodecError(error) || error.code === "CONVERSION" || error.code === "UNSUPPORTED") return undefined;
  return /token/.test(error.path ?? "") ? "tokenizer-invalid" : "config-invalid";
}

function remoteCodeFindings({ config }: HfFiles): Finding[] {
  const map = config["auto_map"];
  return map === undefined || map === null
    ? []
    : [
        finding("remote-code", "The config.json names Python code to be loaded with the model (auto_map).", {
          path: "config.json",
        }),
      ];
}

/** The model of a calibrated conversion, with the scales per input channel that the target's format searches folded in. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { type Finding, isCodecError, type ReadStore, type WriteStore } from "@requant/core";
import type { WeightTarget } from "@requant/core/format";
import { foldingsOf, plannedSources } from "@requant/models";
import { completeFinding, finding } from "../model/findings/finding.ts";
import type { Folded, FoldingLocation } from "../model/folding/folded.ts";
import { foldedModel } from "../model/folding/folded-model.ts";
import { readFolded, writeFolded } from "../model/folding/folding-file.ts";
import { type GgufView, ggufView } from "../model/folding/gguf-view.ts";
import { searchFolding } from "../model/folding/search-folding.ts";
import type { Model } from "../model/model.ts";
import { sourceVersions } from "../model/source-versions.ts";
import { openStatisticsFile, type StatisticsLocation } from "../model/statistics-file.ts";
import type { Plan } from "../plan/plan.ts";
import { scaleSearchOf } from "../plan/scale-findings.ts";
import { statisticsInUse } from "../run/given-guides.ts";

/** How scales are searched, and where they are kept. */
export interface ScaledModelOptions {
  /** The file that the plan was made with. */
  readonly statistics: StatisticsLocation;
  /**
   * Where the scales are written, so that workers can read them and a resumed conversion need not search them again; the
   * caller removes the file. Without it they are in memory, and a run of the model uses this thread alone.
   */
  readonly keep?: { readonly store: ReadStore & WriteStore; readonly file: string } | undefined;
  /** Take the scales of `keep` where they were searched for the same conversion. */
  readonly resume?: boolean | undefined;
  /** Places where scales are folded in: those that are searched, and all. */
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Searches the scales for a plan that was made with calibration statistics and without scales. What is returned computes the
 * same as the model: plan it again, with the same options, and run that plan with it and the same statistics.
 * The search depends on the model, the target and the statistics alone.
 * @returns the model itself where the target's format has no such scales, or the plan keeps codes of packed weights
 */
export async function scaledModel(model: Model, plan: Plan, options: ScaledModelOptions): Promise<Model> {
  const inputScales = scaleSearchOf(plan);
  if (inputScales === undefined || model.folding !== undefined) return model;
  const { keep, resume = false } = options;
  const search = await searchId(model, plan, options);
  const view = await ggufView(model);
  const known = resume && keep !== undefined ? await readKept(keep, search) : undefined;
  const folded = known ?? (await searched(model, view, plan, inputScales, options));
  if (known === undefined && keep !== undefined) {
    const sink = await keep.store.create(keep.file);
    try {
      await writeFolded(sink, folded, search);
      await sink.close();
    } catch (error) {
      await sink.abort();
      throw error;
    }
  }
  const unknown = foldingsOf(view.metadata, view.plans).findings.map((found) => completeFinding(found));
  return foldedModel(model, folded, { location: keep, findings: [...foldedFindings(folded), ...unknown] });
}

async function searched(
  model: Model,
  view: GgufView,
  { target, tensors }: Plan,
  inputScales: NonNullable<WeightTarget["inputScales"]>,
  { statistics, onProgress, signal }: ScaledModelOptions,
): Promise<Folded> {
  const quantized = new Set(
    tensors.flatMap((tensor) => (tensor.linear === undefined ? [] : plannedSources(tensor))),
  );
  const sources = new Map(view.plans.map((weight) => [weight.name, plannedSources(weight)]));
  const isQuantized = (name: string): boolean =>
    sources.get(name)?.some((source) => quantized.has(source)) === true;
  const file = await openStatisticsFile(statistics);
  try {
    const { folded } = await searchFolding(model, {
      statistics: file,
      scalesOf: (layers, sharedColumn) => inputScales({ layers, settings: target.settings, sharedColumn }),
      isQuantized,
      isDivisible: isQuantized,
      onFolding: (done, total) => onProgress?.({ done, total }),
      signal,
    });
    return folded;
  } finally {
    await file.close();
  }
}

/** What decides the scales. */
async function searchId(
  model: Model,
  { target, tensors, source: { files } }: Plan,
  { statistics }: ScaledModelOptions,
): Promise<string> {
  const weights = tensors.flatMap(({ name, linear }) => (linear === undefined ? [] : [name]));
  const facts = { target: target.text, files, versions: await sourceVersions(model), weights };
  const hash = sha256.create().update(utf8ToBytes(JSON.stringify(facts)));
  for (const { name, meanAbs } of await statisticsInUse(tensors, { statistics })) {
    hash.update(utf8ToBytes(name));
    hash.update(new Uint8Array(meanAbs.buffer, meanAbs.byteOffset, meanAbs.byteLength));
  }
  return bytesToHex(hash.digest());
}

/** The scales of an interrupted conversion; undefined where there are none, or none of this conversion. */
async function readKept(location: FoldingLocation, search: string): Promise<Folded | undefined> {
  try {
    const found = await readFolded(location);
    return found.search === search ? found : undefined;
  } catch (error) {
    // what is missing or broken is made again
    if (isCodecError(error)) return undefined;
    throw error;
  }
}

function foldedFindings({ tensors, inputs }: Folded): Finding[] {
  if (inputs.size === 0) return [];
  let norms = 0;
  let layers = 0;
  for (const [name, tensor] of tensors) {
    if (tensor.kind === "factors") layers += tensor.rows === undefined ? 0 : 1;
    else norms += name.endsWith(".bias") ? 0 : 1;
  }
  return [
    finding(
      "folded-scales",
      `Codes are chosen by error feedback; ${inputs.size} weights have scales per input channel, which are folded into ${norms} norms and the rows of ${layers} weights before them.`,
    ),
  ];
}

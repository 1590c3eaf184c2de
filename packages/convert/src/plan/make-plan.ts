/** From a model and a target to a plan. */

import { ConversionError, elementCount, type Finding, UsageError } from "@requant/core";
import { refuseBrokenConfig, uncountedLayerFindings } from "@requant/models";
import { addToGroup } from "../model/add-to-group.ts";
import { completeFinding, finding, warningsOf } from "../model/findings/finding.ts";
import type { Model } from "../model/model.ts";
import { packedFacts } from "../model/packed-facts.ts";
import { type ClaimedSource, refuseUnclaimed } from "../model/packed-sources.ts";
import { exactTargets } from "./exact-targets.ts";
import { isLossless } from "./fidelity.ts";
import type { Format, PlannedOutput, TargetFormat } from "./format.ts";
import { llamafied } from "./llamafied.ts";
import { otherModelFindings } from "./other-model.ts";
import { roundingFindings, uncalibratedFindings } from "./packed-findings.ts";
import type { Plan, PlanSource, PlanTensor, Target } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import { proveExact } from "./prove-exact.ts";
import { readPlanSource } from "./read-plan-source.ts";
import { givenOptions, refuseOptions } from "./refuse-options.ts";
import { withScaleFacts } from "./scale-findings.ts";
import { targetFormats } from "./target-formats.ts";
import { measureTypeCosts } from "./type-costs.ts";

/**
 * Reads the side files, makes the plan, and looks at the small tensors that it would call rounded (see `proveExact`).
 * @throws ConversionError as `makePlan`; with `exact`, tensors of any size are looked at before they are refused
 */
export async function planConversion(
  model: Model,
  target: Target,
  options: PlanOptions = {},
  list: readonly Format[] = targetFormats,
): Promise<Plan> {
  formatOf(target, list).target.refuseContradictions?.(target, options);
  const like = options.like === undefined ? undefined : await readPlanSource(options.like);
  const exact = options.exact === true;
  const source = await readSourceFor(model, target, options, list);
  const planned = planOutput(source, target, { options, like, list });
  // other targets measure what they need as they read the source
  const output = takesCosts(formatOf(target, list).target)
    ? await measuredOutput(planned, model, options, (typeCosts) =>
        planOutput(source, target, { options: { ...options, typeCosts }, like, list }),
      )
    : planned;
  const rough = assemblePlan(source, target, output);
  const proven = await proveExact(rough, model, source, { all: exact, signal: options.signal });
  const plan = withScaleFacts(proven, model);
  if (exact) refuseLoss(plan.tensors, target, source);
  const doubts = [
    ...warningsOf([...model.findings, ...(await packedFacts(model)).findings]),
    ...(await otherModelFindings(model, options)),
  ];
  return withFindings(
    { ...plan, findings: [...doubts, ...plan.findings] },
    source,
    formatOf(target, list),
    options,
  );
}

/**
 * True where measurements of the weights decide a plan: statistics, and an importance matrix, then say more than which codes
 * are chosen.
 */
export function measuresWeights(
  model: Model,
  target: Target,
  { targetSize }: Pick<PlanOptions, "targetSize">,
  list: readonly Format[] = targetFormats,
): boolean {
  const { target: format } = formatOf(target, list);
  return (
    (targetSize !== undefined && takesCosts(format)) || format.needs?.(target, model).sampling !== undefined
  );
}

function takesCosts({ options }: TargetFormat): boolean {
  return options?.includes("typeCosts") === true;
}

/** The output planned again with what its types cost, where a size is asked for and nothing was measured yet. */
async function measuredOutput(
  planned: PlannedOutput,
  model: Model,
  options: PlanOptions,
  planAgain: (costs: PlanOptions["typeCosts"]) => PlannedOutput,
): Promise<PlannedOutput> {
  if (options.targetSize === undefined || options.typeCosts !== undefined) return planned;
  return planAgain(await measureTypeCosts(model, planned.tensors, options));
}

/** The facts of a source that a plan for this target needs. */
export async function readSourceFor(
  model: Model,
  target: Target,
  options: Pick<PlanOptions, "base" | "exact" | "grids" | "imatrix" | "signal" | "statistics">,
  list: readonly Format[] = targetFormats,
): Promise<PlanSource> {
  const format = formatOf(target, list).target;
  refuseUnread(format, target, model);
  const { base } = options;
  refuseNoModel(format, target, model, base);
  const needs = format.needs?.(target, model);
  const offsets = options.exact === true || needs?.offsets;
  const isAsked = options.exact === true || options.grids === true;
  const grids = needs?.grids === "asked" && !isAsked ? undefined : needs?.grids;
  const source = await readPlanSource(model, { ...needs, offsets, grids }, options);
  return base === undefined ? source : { ...source, base: await readPlanSource(base) };
}

/**
 * From facts and a target to a plan. Pure: what only the values tell is not asked.
 * @throws ConversionError when the conversion is not possible: facts are missing, `exact` cannot be met, quantized
 *   weights would be quantized again without `allowRequantize`.
 */
export function makePlan(
  source: PlanSource,
  target: Target,
  options: PlanOptions = {},
  like?: PlanSource,
  list: readonly Format[] = targetFormats,
): Plan {
  const output = planOutput(source, target, { options, like, list });
  if (options.exact === true) refuseLoss(output.tensors, target, source);
  const plan = assemblePlan(source, target, output);
  return withFindings(plan, source, formatOf(target, list), options);
}

interface NamedTargetFormat {
  readonly name: string;
  readonly target: TargetFormat;
}

export function formatOf(target: Target, list: readonly Format[]): NamedTargetFormat {
  const found = list.find((candidate) => candidate.name === target.format);
  if (found?.target === undefined)
    throw new UsageError(`There is no target format "${target.format}".`, {
      hint: `Choose one of ${list.map(({ name }) => name).join(", ")}.`,
    });
  return { name: found.name, target: found.target };
}

/** Tensors that no reader understands are refused, unless the target copies all stored tensors. */
function refuseUnread(format: TargetFormat, target: Target, source: ClaimedSource): void {
  if (format.keepsStored?.(target) !== true) refuseUnclaimed(source);
}

/** What is no model can be copied, and some of it stored as other types in a file of its own kind. */
function refuseNoModel(
  format: TargetFormat,
  target: Target,
  { kind, naming, name }: Model,
  base: Model | undefined,
): void {
  const isOwnSide = target.format === (naming === "gguf" ? "gguf" : "safetensors");
  if (base !== undefined && (kind?.hasBase !== true || isOwnSide)) {
    throw new UsageError(
      `\`base\` names the base model of an adapter that goes to another format; this is ${kind?.name ?? "a model"}${isOwnSide ? ", which stays in its own" : ""}.`,
      { path: name, hint: "Leave it out." },
    );
  }
  if (kind === undefined || format.keepsStored?.(target) === true) return;
  if (kind.isConverted && isOwnSide) return;
  const isSingle = target.format === "gguf" || target.format === "safetensors";
  if (kind.hasBase === true && isSingle && base !== undefined) return;
  if (kind.hasHfNames === true && target.format === "safetensors") return;
  throw new ConversionError(`This is ${kind.name}, which cannot be stored as ${target.format}.`, {
    path: name,
    hint:
      kind.hasBase === true && isSingle
        ? "Name its base model with `base`, which says how the tensors are stored there."
        : kind.hint,
  });
}

interface OutputRequest {
  readonly options: PlanOptions;
  readonly like: PlanSource | undefined;
  readonly list: readonly Format[];
}

function planOutput(
  source: PlanSource,
  target: Target,
  { options, like, list }: OutputRequest,
): PlannedOutput {
  const { name, target: format } = formatOf(target, list);
  const given = new Set(givenOptions(options)).add("like");
  if (like === undefined) given.delete("like");
  refuseOptions([...given], { name, target: format }, list);
  refuseUnread(format, target, source);
  const config = configFindings(source, format, target);
  const output = plannedOutput(format, source, { target, options, like });
  // to allow what never happens is no fault, but the user is told that it had no effect
  const needless = given.has("allowRequantize") && format.options?.includes("allowRequantize") !== true;
  return {
    ...output,
    findings: [...config, ...output.findings, ...(needless ? [allowedForNothing(name)] : [])],
  };
}

/**
 * What is wrong with the config.json of a Hugging Face source. A target that copies the stored tensors takes it as it is.
 * @throws FormatError where no runtime can use it
 */
function configFindings({ hf }: PlanSource, format: TargetFormat, target: Target): Finding[] {
  if (hf === undefined || format.keepsStored?.(target) === true) return [];
  refuseBrokenConfig(hf);
  return uncountedLayerFindings(hf);
}

function plannedOutput(
  format: TargetFormat,
  source: PlanSource,
  { target, options, like }: Omit<OutputRequest, "list"> & { readonly target: Target },
): PlannedOutput {
  if (options.llamafy !== true) return format.plan(source, target, options, like);
  const llama = llamafied(source);
  return llama.restate(format.plan(llama.source, target, options, like));
}

function allowedForNothing(name: string): Finding {
  return finding(
    "not-used",
    `\`allowRequantize\` changes nothing: ${name} as a target needs no leave for that.`,
  );
}

/** Puts a format's output together with what it was made from. */
export function assemblePlan(source: PlanSource, target: Target, output: PlannedOutput): Plan {
  const { name, variant, architecture, files, tensors } = source;
  return {
    version: 2,
    source: {
      name,
      format: source.format,
      variant,
      ...(architecture === undefined ? {} : { architecture }),
      tensorCount: tensors.length,
      parameterCount: tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0),
      files,
    },
    target,
    ...output,
    byteLength: output.files.reduce((sum, { byteLength }) => sum + byteLength, 0),
  };
}

/** Tensors named in one message; the rest is a count. */
const NAMED = 8;

function refuseLoss(tensors: readonly PlanTensor[], target: Target, source: PlanSource): void {
  const lossy = tensors.filter(({ fidelity }) => !isLossless(fidelity));
  if (lossy.length === 0) return;
  const named = lossy
    .slice(0, NAMED)
    .map(
      ({ name, from, to, fidelity, reason }) =>
        `${name} (${from} → ${to}: ${fidelity}${reason === undefined ? "" : `, ${reason}`})`,
    );
  const rest = lossy.length > NAMED ? ` and ${lossy.length - NAMED} more` : "";
  // a target that was just refused is no way out, whatever keeps the packed weights
  const nearest = exactTargets(source).filter((text) => text !== target.text);
  throw new ConversionError(
    `${lossy.length} of ${tensors.length} tensors cannot become ${target.text} exactly: ${named.join("; ")}${rest}.`,
    {
      tensor: lossy[0]?.name,
      hint:
        nearest.length === 0
          ? "Choose a target that holds the source's values, or leave out `exact`."
          : `These targets keep every packed weight: ${nearest.join(", ")}.`,
    },
  );
}

/** All findings complete, with those about the tensors as they are planned now. */
function withFindings(plan: Plan, source: PlanSource, format: NamedTargetFormat, options: PlanOptions): Plan {
  const findings = plan.findings.map((found) => completeFinding(found));
  const more = [...codeFindings(plan, format, options), ...changeFindings(plan.tensors, source)];
  return { ...plan, findings: [...findings, ...more] };
}

/** How new codes are chosen, and words of the target that choose none. */
export function codeFindings(
  { target: { settings }, tensors }: Pick<Plan, "target" | "tensors">,
  { name, target }: NamedTargetFormat,
  options: PlanOptions,
): Finding[] {
  return [
    ...roundingFindings(name, target.rounding, tensors, options),
    ...uncalibratedFindings(target.words ?? [], settings, tensors),
  ];
}

/** One for each reason why packed weights change, and what would keep them. */
function changeFindings(tensors: readonly PlanTensor[], source: PlanSource): Finding[] {
  const byReason = new Map<string, PlanTensor[]>();
  for (const tensor of tensors) {
    if (tensor.reason === undefined || isLossless(tensor.fidelity)) continue;
    // the numbers of the reason differ from weight to weight
    const key = `${tensor.fidelity} ${tensor.reason.replace(/-?\d+/g, "#")}`;
    addToGroup(byReason, key, tensor);
  }
  const changes = [...byReason.values()].map((group) =>
    finding(
      "not-exact",
      `${group.length} ${group.length === 1 ? "weight is" : "weights are"} ${group[0]?.fidelity} (${group[0]?.name}): ${group[0]?.reason}.`,
      { tensor: group[0]?.name },
      group[0]?.hint,
    ),
  );
  const nearest = changes.length === 0 ? [] : exactTargets(source);
  return nearest.length === 0
    ? changes
    : [
        ...changes,
        finding("exact-targets", `Every packed weight keeps its values as ${nearest.join(", ")}.`),
      ];
}

/** Types of the tensors of a GGUF file: the smallest exact ones, llama-quantize's, and those that the user names. */

import { type Finding, type Metadata, UsageError } from "@requant/core";
import {
  calibratedTypes,
  changeMetadata,
  chooseTypes,
  ggmlTypeByName,
  recipeFacts,
  type TypeChoice,
  type TypeChoices,
} from "@requant/gguf";
import type { LeftOut, WeightPlan } from "@requant/models";
import { isTokenEmbedding } from "@requant/models";
import { addToGroup } from "../model/add-to-group.ts";
import { finding } from "../model/findings/finding.ts";
import { autoType, mainFileType } from "./auto-type.ts";
import { isQuantizedEncoding } from "./fidelity.ts";
import { refuseBoth, statisticsEntry, unusedStatistics } from "./guides.ts";
import type { PlanSourceTensor, Target } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import type { TypedWeight } from "./typed-weight.ts";
import { fewTokensFindings, unguidedFindings, unreachedFindings } from "./used-guides.ts";

/** A model under GGUF's names, with the encoding that llama.cpp's converter would give each tensor. */
export interface GgufDraft {
  readonly metadata: Metadata;
  readonly weights: readonly DraftWeight[];
  readonly leftOut: readonly LeftOut[];
  readonly findings: readonly Finding[];
}

export type DraftWeight = TypedWeight & Pick<WeightPlan, "forceF32" | "keeps">;

/** True where llama-quantize's rules are asked for; types that are named hold for any target. */
export function asksForRecipe(options: PlanOptions): boolean {
  return (
    options.statistics !== undefined ||
    options.pure === true ||
    options.leaveOutputTensor === true ||
    options.outputTensorType !== undefined ||
    options.tokenEmbeddingType !== undefined ||
    (options.pruneLayers?.length ?? 0) > 0
  );
}

/** The smallest exact types on top of a draft. */
export function withAutoTypes(
  draft: GgufDraft,
  sources: ReadonlyMap<string, PlanSourceTensor>,
  target: Target,
  options: PlanOptions,
): GgufDraft {
  if (asksForRecipe(options) || options.imatrix !== undefined) {
    throw new UsageError("The target gguf:auto chooses every type itself.", {
      hint: "Leave out `pure`, `outputTensorType`, `tokenEmbeddingType`, `imatrix`, `statistics` and the like; `tensorTypes` can name other types.",
    });
  }
  const float = target.settings["float"] === "F16" ? "F16" : "exact";
  const reasons = new Map<string, string[]>();
  const weights = draft.weights.map((weight) => {
    const { type, reason } = autoType(weight, sources, float);
    if (reason !== undefined) addToGroup(reasons, reason, `${weight.name} (${type})`);
    return { ...weight, type };
  });
  const findings = [...reasons].map(([reason, names]) =>
    finding(
      "no-block-type",
      `${names.length === 1 ? "1 weight fits" : `${names.length} weights fit`} no block type, the first is ${names[0]}: ${reason}.${
        names[0]?.endsWith("(F32)") === true ? " gguf:auto-f16 rounds them to half the size." : ""
      }`,
    ),
  );
  const made = withNamedTypes(
    { ...draft, weights, findings: [...draft.findings, ...findings] },
    draft,
    options,
  );
  const fileType = mainFileType(made.weights);
  return { ...made, metadata: new Map([...draft.metadata, ["general.file_type", fileType]]) };
}

/**
 * The types that `tensorTypes` names on top of those that were chosen, and no others.
 * @param draft the encodings that the weights would have otherwise, which say what is quantized again
 */
export function withNamedTypes(chosen: GgufDraft, draft: GgufDraft, options: PlanOptions): GgufDraft {
  if ((options.tensorTypes?.length ?? 0) === 0)
    return { ...chosen, findings: unusedFindings(chosen, options) };
  const { tensors, findings } = recipeOf(draft, "COPY", { ...options, keepSplit: true });
  const named = new Map(
    tensors.filter(({ isOverridden }) => isOverridden === true).map((one) => [one.source, one]),
  );
  return {
    ...chosen,
    weights: chosen.weights.map((weight): DraftWeight => {
      const choice = named.get(weight.name);
      return choice === undefined ? weight : { ...weight, ...typeOf(choice, options) };
    }),
    findings: [
      ...chosen.findings,
      ...fallbackFindings(tensors),
      ...findings,
      ...idleFindings(tensors, options),
    ],
  };
}

/** llama-quantize's types, order and metadata on top of a draft. */
export function withRecipe(draft: GgufDraft, type: string, options: PlanOptions): GgufDraft {
  const choices = recipeOf(draft, type, options);
  const drafted = new Map(draft.weights.map((weight) => [weight.name, weight]));
  const kept = new Set(choices.tensors.map(({ source: name }) => name));
  return {
    metadata: changeMetadata(draft.metadata, choices.metadata),
    weights: choices.tensors.flatMap((choice): TypedWeight[] => {
      const weight = drafted.get(choice.source);
      if (weight === undefined) return [];
      const { shape, inputs } = weight;
      return [{ name: choice.name, shape, inputs, ...typeOf(choice, options) }];
    }),
    leftOut: [
      ...draft.leftOut,
      ...draft.weights
        .filter(({ name }) => !kept.has(name))
        .map(({ name }) => ({ name, reason: "its layer is pruned" })),
    ],
    findings: [
      ...draft.findings,
      ...fallbackFindings(choices.tensors),
      ...choices.findings,
      ...idleFindings(choices.tensors, options),
    ],
  };
}

export function recipeOf(draft: GgufDraft, type: string, options: PlanOptions): TypeChoices {
  const { statistics } = options;
  refuseBoth(options);
  const unused = statistics === undefined ? [] : unusedStatistics(statistics, draft.weights);
  const choices = chooseTypes({
    target: type,
    facts: recipeFacts(draft.metadata),
    tensors: draft.weights.map(({ name, shape, type: encoding }) => ({ name, shape, encoding })),
    imatrix: options.imatrix?.weights ?? lengthsOf(options.statistics, draft),
    imatrixOrigin: options.imatrix?.origin,
    options: {
      pure: options.pure,
      tensorTypes: options.tensorTypes,
      outputTensor: options.outputTensorType,
      tokenEmbedding: options.tokenEmbeddingType,
      leaveOutput: options.leaveOutputTensor,
      allowRequantize: options.allowRequantize,
      pruneLayers: options.pruneLayers,
      keepOrder: options.keepSplit,
    },
  });
  return { ...choices, findings: [...unused, ...choices.findings] };
}

/**
 * What guides a weight, by the entry that the recipe found for it: statistics solve it where its type can be solved. Where
 * they have no entry for it, as of some tables of embeddings, its steps are searched longer than ggml does.
 */
function typeOf(
  { type, importance, shape, source: name }: TypeChoice,
  { statistics }: PlanOptions,
): Pick<TypedWeight, "type" | "guides"> {
  if (importance === undefined)
    return statistics !== undefined && calibratedTypes.includes(type)
      ? { type, guides: { searched: true } }
      : { type };
  if (statistics === undefined) return { type, guides: { importance } };
  const entry = statisticsEntry(statistics, { name }, { name, shape });
  return { type, guides: calibratedTypes.includes(type) ? { statistics: entry } : { importance: entry } };
}

/** The columns of each weight that has statistics, as a recipe asks an importance matrix for them. */
function lengthsOf(
  statistics: PlanOptions["statistics"],
  { weights }: GgufDraft,
): ReadonlyMap<string, ArrayLike<number>> | undefined {
  if (statistics === undefined) return undefined;
  return new Map(
    weights.flatMap(({ name, shape }) => {
      const entry = statisticsEntry(statistics, { name }, { name, shape });
      const found = entry === undefined ? undefined : statistics.entries.get(entry);
      return found === undefined ? [] : [[name, { length: found.columns * found.tokens.length }]];
    }),
  );
}

/** One for each pair of types. */
function fallbackFindings(choices: readonly TypeChoice[]): Finding[] {
  const byTypes = new Map<string, TypeChoice[]>();
  for (const choice of choices) {
    if (choice.wanted !== undefined) addToGroup(byTypes, `${choice.wanted} ${choice.type}`, choice);
  }
  return [...byTypes.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { type, wanted, name, reason } = first;
    const these = group.length === 1 ? `${name} becomes` : `${group.length} tensors become`;
    const which = group.length === 1 ? "" : `; the first is ${name}`;
    return [
      finding("other-type", `${these} ${type} instead of ${wanted}${which}: ${reason}.`, { tensor: name }),
    ];
  });
}

/** What was given and changed nothing. */
function idleFindings(choices: readonly TypeChoice[], options: PlanOptions): Finding[] {
  const isRequantized = choices.some(({ from, type }) => from !== type && isQuantizedEncoding(from));
  const usesMatrix = choices.some(
    ({ importance, type }) => importance !== undefined && ggmlTypeByName(type).importance !== "ignored",
  );
  return [
    ...(options.imatrix !== undefined && options.imatrix.weights.size > 0 && !usesMatrix
      ? [
          finding(
            "not-used",
            "`imatrix` changes nothing: no tensor gets a type that uses an importance matrix.",
          ),
        ]
      : []),
    ...statisticsFindings(choices, options),
    ...(options.allowRequantize === true && !isRequantized
      ? [finding("not-used", "`allowRequantize` changes nothing: no tensor is quantized a second time.")]
      : []),
  ];
}

function statisticsFindings(choices: readonly TypeChoice[], options: PlanOptions): Finding[] {
  const { statistics } = options;
  if (statistics === undefined) return [];
  const changed = choices.filter(({ from, type, shape }) => {
    return from !== type && isQuantizedEncoding(type) && shape.length > 1;
  });
  const guided = changed.filter(({ importance, type }) => importance !== undefined && usesGuide(type));
  if (guided.length === 0) {
    return [finding("not-used", "`statistics` changes nothing: no weight gets codes that it can guide.")];
  }
  // embeddings are looked up, not multiplied: they have no inputs
  const unguided = changed.filter(
    ({ importance, name }) => importance === undefined && !isTokenEmbedding(name),
  );
  const entryOf = (name: string): string => statistics.shared.get(name) ?? name;
  const solved = guided.filter(({ type }) => calibratedTypes.includes(type));
  return [
    ...unguidedFindings(
      "statistics",
      unguided.map(({ name }) => name),
    ),
    ...unreachedFindings(
      statistics,
      guided.map(({ name }) => [name, entryOf(name)]),
    ),
    ...fewTokensFindings(
      statistics,
      solved.map(({ name }) => [name, entryOf(name)]),
    ),
  ];
}

function usesGuide(type: string): boolean {
  return calibratedTypes.includes(type) || ggmlTypeByName(type).importance !== "ignored";
}

function unusedFindings({ findings }: GgufDraft, options: PlanOptions): readonly Finding[] {
  return [...findings, ...idleFindings([], options)];
}

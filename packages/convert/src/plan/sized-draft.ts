/** A GGUF of a size that was asked for: types by what they cost, everything else as llama-quantize does it. */

import { ConversionError, elementCount, UsageError } from "@requant/core";
import type { TypeChoice } from "@requant/gguf";
import { isHead, isTokenEmbedding } from "@requant/models";
import { finding } from "../model/findings/finding.ts";
import { mainFileType } from "./auto-type.ts";
import { isQuantizedEncoding } from "./fidelity.ts";
import type { PlannedOutput } from "./format.ts";
import { type GgufDraft, recipeOf, withRecipe } from "./gguf-types.ts";
import type { Target } from "./plan.ts";
import type { PlanOptions, TargetSize } from "./plan-options.ts";
import { chooseSizedTypes, type SizedWeight, sizedRange, sizedTypes } from "./sized-types.ts";

/** The file type whose rules say which tensors are quantized at all, and in which order they stand. */
const BASE = "Q4_K_M";

/** Padding between tensors depends on their types, so the first choice can be too large by a little. */
const ATTEMPTS = 4;

interface SizedOptions extends PlanOptions {
  readonly targetSize: TargetSize;
}

/**
 * The draft with the types that lose the least in the asked size.
 * @param finish plans the files of a draft
 * @throws UsageError for a target that names types itself
 * @throws ConversionError where no types give the size, with the smallest and the largest possible
 */
export function withTargetSize(
  draft: GgufDraft,
  target: Target,
  options: SizedOptions,
  finish: (draft: GgufDraft) => PlannedOutput,
): GgufDraft {
  refuseOwnTypes(target, options);
  const weights = sizedWeights(draft, options);
  const made = (types: ReadonlyMap<string, string>): GgufDraft => withTypes(draft, types, options);
  const { size, goal } = sizing(options.targetSize);
  // what is not chosen: the header, norms, padding
  const smallest = new Map(weights.map((weight) => [weight.name, smallestType(weight)]));
  const range = sizedRange(weights);
  const least = finish(made(smallest));
  const rest = size(least) - range.smallest;
  if (!(goal(least) >= size(least)) || goal(least) > rest + range.largest + size(least) * SLACK) {
    throw impossible(options.targetSize, least, [size(least), rest + range.largest]);
  }
  let budget = goal(least) - rest;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const chosen = chooseSizedTypes(weights, Math.max(budget, range.smallest));
    const sized = made(chosen.types);
    const excess = size(finish(sized)) - goal(least);
    if (excess <= 0) return withSummary(sized, chosen.cost, weights);
    budget -= excess;
  }
  return made(smallest);
}

/** A goal may be above the largest size by this share: rounded numbers of users. */
const SLACK = 0.001;

/** @throws UsageError where a size is asked for with a target that names its types */
export function refuseOwnTypes({ text, settings }: Target, options: PlanOptions): void {
  if (options.targetSize === undefined) return;
  if (options.pure === true) {
    throw new UsageError("`pure` asks for one type, and `targetSize` for a mix of types.", {
      hint: "Leave out `pure`, or leave out `targetSize` and name the type.",
    });
  }
  if (settings["type"] !== "AUTO") {
    throw new UsageError(`The target ${text} says which types there are, and \`targetSize\` chooses them.`, {
      hint: "Give `targetSize` with the target gguf:auto.",
    });
  }
}

interface Sizing {
  /** The part of an output that counts, in bytes. */
  size(output: PlannedOutput): number;
  goal(output: PlannedOutput): number;
}

function sizing(target: TargetSize): Sizing {
  if ("byteLength" in target) {
    const { byteLength } = target;
    return {
      size: ({ files }) => files.reduce((sum, file) => sum + file.byteLength, 0),
      goal: () => byteLength,
    };
  }
  return {
    size: ({ tensors }) => tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0),
    goal: (output) => (target.bitsPerWeight * weightCount(output)) / 8,
  };
}

function weightCount({ tensors }: PlannedOutput): number {
  return tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

function impossible(
  target: TargetSize,
  output: PlannedOutput,
  range: readonly [number, number],
): ConversionError {
  const shown = (bytes: number): string =>
    "byteLength" in target
      ? `${Math.ceil(bytes)} bytes`
      : `${((8 * bytes) / weightCount(output)).toFixed(3)} bits per weight`;
  const asked = "byteLength" in target ? shown(target.byteLength) : `${target.bitsPerWeight} bits per weight`;
  const [smallest, largest] = range;
  return new ConversionError(
    `No types give a size of ${asked}: the smallest possible is ${shown(smallest)}, the largest ${shown(largest)}.`,
    { hint: "Choose a `targetSize` between these; for more, gguf:f16 or gguf:bf16." },
  );
}

/** The tensors that llama-quantize would quantize and whose type nobody named. */
function sizedWeights(draft: GgufDraft, options: PlanOptions): SizedWeight[] {
  return recipeOf(draft, BASE, options).tensors.flatMap((choice): SizedWeight[] => {
    if (!isQuantizedEncoding(choice.type) || isNamed(choice, options)) return [];
    const { name, shape, source } = choice;
    const hasImportance = options.imatrix?.weights.has(source) === true;
    const weight = { name, shape, hasImportance, costs: options.typeCosts?.get(name) };
    return sizedTypes(weight).length === 0 ? [] : [weight];
  });
}

function isNamed({ name, isOverridden }: TypeChoice, options: PlanOptions): boolean {
  return (
    isOverridden === true ||
    (options.outputTensorType !== undefined && isHead(name)) ||
    (options.tokenEmbeddingType !== undefined && isTokenEmbedding(name))
  );
}

function smallestType(weight: SizedWeight): string {
  const { types } = chooseSizedTypes([weight], sizedRange([weight]).smallest);
  return types.get(weight.name) ?? BASE;
}

function withTypes(draft: GgufDraft, types: ReadonlyMap<string, string>, options: PlanOptions): GgufDraft {
  const { imatrix, ...rest } = options;
  const rules = [...types].map(([name, type]) => ({ pattern: `^${escaped(name)}$`, type }));
  const tensorTypes = [...(options.tensorTypes ?? []), ...rules];
  const made = withRecipe(draft, BASE, { ...rest, imatrix, tensorTypes });
  return {
    ...made,
    metadata: new Map([...made.metadata, ["general.file_type", mainFileType(made.weights)]]),
  };
}

function escaped(name: string): string {
  return name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function withSummary(draft: GgufDraft, cost: number, weights: readonly SizedWeight[]): GgufDraft {
  const counts = new Map<string, number>();
  const sized = new Set(weights.map(({ name }) => name));
  for (const { name, type } of draft.weights) {
    if (sized.has(name)) counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  const mix = [...counts].map(([type, count]) => `${count} × ${type}`).join(", ");
  const unmeasured = weights.filter(({ costs }) => costs === undefined).length;
  const how =
    unmeasured === 0 ? "measured" : `${unmeasured} of ${weights.length} assumed, the others measured`;
  return {
    ...draft,
    findings: [
      ...draft.findings,
      finding(
        "sized-types",
        `Types were chosen for the size: ${mix}. Predicted loss ${cost.toPrecision(3)} (${how}).`,
      ),
    ],
  };
}

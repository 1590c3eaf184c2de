/** Everything that a request names is used, named as not used, or refused. */
import { type Finding, FormatError, UsageError } from "@requant/core";
import { bounded } from "@requant/core/text";
import { fittingEntries, type ImportanceEntries } from "../imatrix/fit.ts";
import { nearestNames } from "./nearest.ts";
import { layersOf } from "./order.ts";
import { compile } from "./overrides.ts";
import type { RecipeTensor, TypeChoice, TypeRequest } from "./request.ts";
import { partOf } from "./rules.ts";

/** Names in one message; the rest is a count. */
const NAMED = 3;

/** @throws UsageError for layers that the model does not have, or where none would be left */
export function refuseLayers({ tensors, options }: TypeRequest): void {
  const layers = layersOf(tensors);
  const asked = new Set(options?.pruneLayers ?? []);
  const unknown = [...asked].filter((layer) => !layers.has(layer));
  const sorted = [...layers].sort((a, b) => a - b);
  if (unknown.length > 0) {
    throw new UsageError(
      `\`pruneLayers\` names ${unknown.length === 1 ? "a layer" : "layers"} that the model does not have: ${few(unknown.map(String))}.`,
      {
        hint:
          sorted.length === 0
            ? "Leave it out: no tensor of the model has a layer number."
            : `The model has the layers ${sorted[0]} to ${sorted.at(-1)}.`,
      },
    );
  }
  if (layers.size > 0 && asked.size === layers.size) {
    throw new UsageError("`pruneLayers` names all layers, so that nothing is left of the model.", {
      hint: `The model has the layers ${sorted[0]} to ${sorted.at(-1)}.`,
    });
  }
}

/**
 * What was asked for and has no effect.
 * @throws UsageError for a pattern of `tensorTypes` that fits no tensor, or only tensors whose type is not chosen
 * @throws FormatError for an importance matrix of which no entry fits
 */
export function accountFor(request: TypeRequest, chosen: readonly TypeChoice[]): Finding[] {
  return [
    ...patternFindings(request, chosen),
    ...tensorOptionFindings(request, chosen),
    ...(request.imatrix === undefined ? [] : importanceFindings(request.imatrix, request.tensors)),
  ];
}

function patternFindings({ options }: TypeRequest, chosen: readonly TypeChoice[]): Finding[] {
  const patterns = (options?.tensorTypes ?? []).map(({ pattern }) => ({
    pattern,
    expression: compile(pattern),
  }));
  const findings: Finding[] = [];
  for (const [index, { pattern, expression }] of patterns.entries()) {
    const fitting = chosen.filter(({ name }) => expression.test(name));
    const [first] = fitting;
    if (first === undefined) throw noSuchTensor(pattern, chosen);
    const earlier = patterns.slice(0, index);
    const isDecided = (choice: TypeChoice): boolean =>
      choice.isOverridden === true && !earlier.some((one) => one.expression.test(choice.name));
    if (fitting.some(isDecided)) continue;
    const kept = fitting.filter(({ isOverridden }) => isOverridden !== true);
    if (kept.length === fitting.length) {
      throw new UsageError(
        `The pattern ${bounded(pattern)} of \`tensorTypes\` fits only tensors whose type is not chosen: ${first.name} (${first.reason}).`,
        { tensor: first.name, hint: "Leave the pattern out, or name other tensors." },
      );
    }
    findings.push(
      notUsed(
        `The pattern ${bounded(pattern)} of \`tensorTypes\` decides nothing: another option has chosen the type of every tensor that it fits, ${first.name} first.`,
      ),
    );
  }
  return findings;
}

function noSuchTensor(pattern: string, chosen: readonly TypeChoice[]): UsageError {
  const nearest = nearestNames(
    pattern,
    chosen.map(({ name }) => name),
    NAMED,
  );
  return new UsageError(`The pattern ${bounded(pattern)} of \`tensorTypes\` fits no tensor of the output.`, {
    hint: `The nearest names are ${nearest.join(", ")}; \`tensors\` lists all of a file.`,
  });
}

function tensorOptionFindings({ options }: TypeRequest, chosen: readonly TypeChoice[]): Finding[] {
  const has = (part: "output" | "token_embd"): boolean => chosen.some(({ name }) => partOf(name) === part);
  const findings: Finding[] = [];
  if (options?.leaveOutput === true && !chosen.some(({ name }) => name === "output.weight")) {
    findings.push(notUsed("`leaveOutput` has no effect: the model has no output.weight of its own."));
  }
  if (options?.tokenEmbedding !== undefined && !has("token_embd")) {
    findings.push(notUsed("`tokenEmbedding` has no effect: the model has no token_embd.weight."));
  }
  if (options?.outputTensor !== undefined && !has("output") && !has("token_embd")) {
    findings.push(notUsed("`outputTensor` has no effect: the model has no output.weight."));
  }
  return findings;
}

/**
 * The entries of an importance matrix that belong to no tensor of a model, whose tensors are given by their names in a GGUF.
 * @throws FormatError where none fits
 */
export function importanceFindings(
  imatrix: ImportanceEntries,
  tensors: readonly Pick<RecipeTensor, "name" | "shape">[],
): Finding[] {
  if (imatrix.size === 0) return [];
  const fitting = new Set(tensors.flatMap(({ name, shape }) => fittingEntries(imatrix, name, shape)));
  const others = [...imatrix.keys()].filter((name) => !fitting.has(name));
  if (others.length === 0) return [];
  if (others.length === imatrix.size) {
    throw new FormatError(
      `None of the ${imatrix.size} entries of the importance matrix fits a tensor of the model; they are ${few(others)}.`,
      { hint: "Use a matrix computed on this model." },
    );
  }
  return [
    notUsed(
      `${others.length} of ${imatrix.size} entries of the importance matrix ${others.length === 1 ? "fits" : "fit"} no tensor of the model: ${few(others)}.`,
    ),
  ];
}

function notUsed(message: string): Finding {
  return { code: "not-used", severity: "warning", message };
}

function few(names: readonly string[]): string {
  const named = names.slice(0, NAMED).map((name) => bounded(name));
  return names.length > NAMED ? `${named.join(", ")} and ${names.length - NAMED} more` : named.join(", ");
}

import { contextCache, isEmbeddingOrHead, type Model } from "@requant/convert";
import { ConversionError, elementCount, smallest, UsageError } from "@requant/core";
import { bounded } from "@requant/core/text";
import { parseByteSize } from "../byte-size.ts";
import type { Context, Handler } from "../context.ts";
import {
  type Context as ContextMemory,
  cacheTypeNames,
  contextBasis,
  contextOf,
  estimatedCacheElements,
  parseTokens,
} from "../context-memory.ts";
import { exitStatus } from "../exit.ts";
import { candidates, estimatedBytes, figureSources } from "../figures.ts";
import { parseParameterCount } from "../name-rules.ts";
import { withModel } from "../open.ts";
import { type Choice, renderChoices, type Subject } from "../render/choices.ts";
import { writeJson } from "../streams.ts";

export const choose: Handler = async ([argument], given, context) => {
  const parameters = given["parameters"];
  if ((argument === undefined) === (parameters === undefined)) {
    throw new UsageError(
      argument === undefined
        ? "There is no model to choose for."
        : "The model says how many parameters it has.",
      { hint: "Give either a model or --parameters 8B, for example." },
    );
  }
  return argument === undefined
    ? chooseFor({ parameters: parameterCount(String(parameters)) }, given, context)
    : withModel(argument, context, async (model) => chooseFor(subjectOf(model), given, context));
};

function parameterCount(text: string): number {
  const parameters = parseParameterCount(text);
  if (parameters !== undefined) return parameters;
  throw new UsageError(`"${bounded(text, 40)}" is not a number of parameters.`, {
    hint: "Write --parameters 8B, for example, or 1.1B, 8x7B, 350M.",
  });
}

function subjectOf(model: Model): Subject {
  let [parameters, embedding] = [0, 0];
  for (const { name, shape } of model.tensors) {
    const count = elementCount(shape);
    parameters += count;
    if (isEmbeddingOrHead(name)) embedding += count;
  }
  const embeddingShare = parameters === 0 ? undefined : embedding / parameters;
  return { parameters, embeddingShare, cache: contextCache(model), model: model.name };
}

function chooseFor(
  subject: Subject,
  given: Readonly<Record<string, unknown>>,
  { streams, options, look }: Context,
): number {
  const { parameters, embeddingShare } = subject;
  const memory = typeof given["memory"] === "string" ? parseByteSize(given["memory"]) : undefined;
  const context = contextMemory(subject, given);
  const all = candidates.map((candidate): Choice => {
    const byteLength = estimatedBytes(candidate, parameters, embeddingShare);
    const total = context === undefined ? {} : { totalByteLength: byteLength + context.byteLength };
    return { ...candidate, byteLength, ...total };
  });
  const choices = all
    .filter((choice) => memory === undefined || totalOf(choice) <= memory)
    .sort((a, b) => b.byteLength - a.byteLength);
  const basis = context === undefined ? undefined : contextBasis(context, subject.cache);
  if (options.json) {
    writeJson(streams, {
      model: subject.model,
      parameters,
      memory,
      context,
      choices,
      sources: figureSources,
    });
  } else {
    const least = smallest(all.map(totalOf)) ?? 0;
    streams.out.write(`${renderChoices({ choices, subject, memory, context, basis, least }, look)}\n`);
  }
  return choices.length > 0 ? exitStatus.done : exitStatus.different;
}

function totalOf({ byteLength, totalByteLength }: Choice): number {
  return totalByteLength ?? byteLength;
}

function contextMemory(
  { parameters, cache, model }: Subject,
  given: Readonly<Record<string, unknown>>,
): ContextMemory | undefined {
  const { context, kv } = given;
  if (typeof context !== "string") {
    if (kv === undefined) return undefined;
    throw new UsageError("The option --kv is about the context, and --context is not given.", {
      hint: "Add --context 32k, for example.",
    });
  }
  if (model !== undefined && cache === undefined) {
    throw new ConversionError(
      "The model does not say how many layers and key-value heads it has, so its context cannot be counted.",
      { path: model, hint: "Give --parameters in place of the model for an estimate." },
    );
  }
  const elements = cache?.elementCount ?? estimatedCacheElements(parameters);
  const type = typeof kv === "string" ? kv : (cacheTypeNames[0] ?? "");
  return contextOf(parseTokens(context), type, elements, cache === undefined ? "estimate" : "model");
}

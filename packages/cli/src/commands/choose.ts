import {
  type ChoiceSubject,
  type ContextMemory,
  choiceSubject,
  chooseTargets,
  contextMemory,
  figureSources,
  parseTokens,
} from "@requant/convert";
import { ConversionError, UsageError } from "@requant/core";
import { bounded, parseByteSize } from "@requant/core/text";
import type { Context, Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { parseParameterCount } from "../name-rules.ts";
import { withModel } from "../open.ts";
import { renderChoices } from "../render/choices.ts";
import { contextBasis } from "../render/context-basis.ts";
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
    : withModel(argument, context, async (model) => chooseFor(choiceSubject(model), given, context));
};

function parameterCount(text: string): number {
  const parameters = parseParameterCount(text);
  if (parameters !== undefined) return parameters;
  throw new UsageError(`"${bounded(text, 40)}" is not a number of parameters.`, {
    hint: "Write --parameters 8B, for example, or 1.1B, 8x7B, 350M.",
  });
}

function chooseFor(
  subject: ChoiceSubject,
  given: Readonly<Record<string, unknown>>,
  { streams, options, look }: Context,
): number {
  const { parameters } = subject;
  const memory = typeof given["memory"] === "string" ? parseByteSize(given["memory"]) : undefined;
  const context = contextOf(subject, given);
  const { choices, least } = chooseTargets(subject, { memory, context });
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
    streams.out.write(`${renderChoices({ choices, subject, memory, context, basis, least }, look)}\n`);
  }
  return choices.length > 0 ? exitStatus.done : exitStatus.different;
}

function contextOf(
  subject: ChoiceSubject,
  given: Readonly<Record<string, unknown>>,
): ContextMemory | undefined {
  const { context, kv } = given;
  if (typeof context !== "string") {
    if (kv === undefined) return undefined;
    throw new UsageError("The option --kv is about the context, and --context is not given.", {
      hint: "Add --context 32k, for example.",
    });
  }
  if (subject.model !== undefined && subject.cache === undefined) {
    throw new ConversionError(
      "The model does not say how many layers and key-value heads it has, so its context cannot be counted.",
      { path: subject.model, hint: "Give --parameters in place of the model for an estimate." },
    );
  }
  return contextMemory(subject, parseTokens(context), typeof kv === "string" ? kv : undefined);
}

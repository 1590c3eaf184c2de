import {
  type ChoiceSubject,
  type ContextMemory,
  choiceSubject,
  chooseTargets,
  figureSources,
} from "@requant/convert";
import { UsageError } from "@requant/core";
import { bounded } from "@requant/core/text";
import type { Context, Handler } from "../context.ts";
import { contextOf, estimatedContextOf, memoryLimit } from "../context-options.ts";
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
  if (argument === undefined) {
    const count = parameterCount(String(parameters));
    return chooseFor({ parameters: count }, estimatedContextOf(count, given), given, context);
  }
  return withModel(argument, context, async (model) =>
    chooseFor(choiceSubject(model), await contextOf(model, given), given, context),
  );
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
  memoryOfContext: ContextMemory | undefined,
  given: Readonly<Record<string, unknown>>,
  { streams, options, look }: Context,
): number {
  const { parameters } = subject;
  const context = memoryOfContext;
  const memory = memoryLimit(given);
  const { choices, least } = chooseTargets(subject, { memory, context });
  const basis = context === undefined ? undefined : contextBasis(context);
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

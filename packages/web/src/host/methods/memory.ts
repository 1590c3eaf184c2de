import {
  type ChoiceSubject,
  type Choices,
  type ContextMemory,
  choiceSubject,
  chooseTargets,
  contextMemory,
  estimatedContextMemory,
  type FigureSource,
  figureSources,
} from "@requant/convert";
import { parseByteSize } from "@requant/core/text";
import { modelNumbered } from "../models.ts";

/** What a model and its context take, and which targets fit. */
export interface MemoryEstimate extends Choices {
  readonly context: ContextMemory;
  readonly subject: ChoiceSubject;
  readonly sources: readonly FigureSource[];
}

export async function memory({
  id,
  tokens,
  kv,
  limit,
}: {
  readonly id: number;
  readonly tokens: number;
  readonly kv: string;
  /** The memory that there is: "8GB", or "". */
  readonly limit: string;
}): Promise<MemoryEstimate> {
  const model = modelNumbered(id);
  const subject = choiceSubject(model);
  const context =
    (await contextMemory(model, tokens, kv)) ?? estimatedContextMemory(subject.parameters, tokens, kv);
  const most = limit.trim() === "" ? undefined : parseByteSize(limit);
  return {
    context,
    subject,
    sources: Object.values(figureSources),
    ...chooseTargets(subject, { memory: most, context }),
  };
}

/** Which targets fit into a memory, with what is known of their quality. */

import { elementCount, smallest } from "@requant/core";
import { isEmbeddingOrHead } from "@requant/models";
import type { Model } from "../../model/model.ts";
import type { ContextMemory } from "../context-memory.ts";
import { type Candidate, candidates, estimatedBytes } from "./figures.ts";

/** What is chosen for. */
export interface ChoiceSubject {
  readonly parameters: number;
  /** Share of the parameters that are embeddings and head, where a model says it. */
  readonly embeddingShare?: number | undefined;
  /** Undefined for a number of parameters. */
  readonly model?: string | undefined;
}

/** The memory that there is, and the context that it must hold beside the weights. */
export interface ChoiceLimits {
  readonly memory?: number | undefined;
  readonly context?: ContextMemory | undefined;
}

/** A way to store the model, and what it takes. */
export interface Choice extends Candidate {
  /** Of the weights. */
  readonly byteLength: number;
  /** With the context, where one is asked for. */
  readonly totalByteLength?: number | undefined;
}

/** Targets with their sizes, and which of them fit. */
export interface Choices {
  /** Those that fit, the largest first. */
  readonly choices: readonly Choice[];
  /** Bytes of the smallest choice, whether it fits or not. */
  readonly least: number;
}

/** What a choice needs of an open model. */
export function choiceSubject(model: Model): ChoiceSubject {
  let [parameters, embedding] = [0, 0];
  for (const { name, shape } of model.tensors) {
    const count = elementCount(shape);
    parameters += count;
    if (isEmbeddingOrHead(name)) embedding += count;
  }
  const embeddingShare = parameters === 0 ? undefined : embedding / parameters;
  return { parameters, embeddingShare, model: model.name };
}

/** Sizes are estimates: a plan knows them exactly. */
export function chooseTargets(
  { parameters, embeddingShare }: ChoiceSubject,
  { memory, context }: ChoiceLimits = {},
): Choices {
  const all = candidates.map((candidate): Choice => {
    const byteLength = estimatedBytes(candidate, parameters, embeddingShare);
    const total = context === undefined ? {} : { totalByteLength: byteLength + context.byteLength };
    return { ...candidate, byteLength, ...total };
  });
  const choices = all
    .filter((choice) => memory === undefined || totalOf(choice) <= memory)
    .sort((a, b) => b.byteLength - a.byteLength);
  return { choices, least: smallest(all.map(totalOf)) ?? 0 };
}

function totalOf({ byteLength, totalByteLength }: Choice): number {
  return totalByteLength ?? byteLength;
}

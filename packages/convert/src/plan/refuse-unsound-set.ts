/** Keys that the user sets may not turn a sound model into one that its readers refuse. */
import { type Finding, type Metadata, UsageError } from "@requant/core";
import { llamaCppFindings } from "@requant/models";
import type { PlanTensor } from "./plan.ts";

const MOST_NAMED = 3;

/**
 * Compares what llama.cpp would say of a header with and without the keys.
 * @throws UsageError that names what is wrong only with them
 */
export function refuseUnsoundSet(before: Metadata, after: Metadata, planned: readonly PlanTensor[]): void {
  const tensors = planned.map(({ name, shape, to }) => ({ name, shape, encoding: to }));
  const known = new Set(llamaCppFindings(before, tensors).map(identity));
  const fresh = llamaCppFindings(after, tensors).filter((found) => !known.has(identity(found)));
  const [first] = fresh;
  if (first === undefined) return;
  const messages = fresh.slice(0, MOST_NAMED).map(({ message }) => message);
  const more = fresh.length - messages.length;
  throw new UsageError([...messages, ...(more > 0 ? [`And ${more} more.`] : [])].join(" "), {
    tensor: first.tensor,
    reason: first.code,
    hint: "Change or leave out what `set` gives. To write such a file all the same, change the finished file with metadata set and `force`.",
  });
}

/** Two findings are the same if they say the same of the same place. */
export function identity({ code, message, tensor, key }: Finding): string {
  return JSON.stringify([code, message, tensor, key]);
}

/** What statistics of a model will hold, before anything is computed: names and shapes decide it. */
import { type Decoder, type LinearInput, openDecoder, type StatisticsShape } from "@requant/calibrate";
import type { Model } from "../model/model.ts";
import type { StatisticsIndex } from "../model/statistics-file.ts";
import { decoderSource } from "./decoder-source.ts";

/** The entries in the order of the layers; the head's is the last. */
export function entryShapes({ inputs }: Pick<Decoder, "inputs">): StatisticsShape[] {
  return inputs.map(({ name, columns, experts }) => ({ name, columns, experts }));
}

/** Weights that share the entry of another. */
export function sharedNames(inputs: readonly LinearInput[]): Record<string, string> {
  const shared: Record<string, string> = Object.create(null);
  for (const { name, sharedBy } of inputs) for (const other of sharedBy) shared[other] = name;
  return shared;
}

/** The number of matrices of each stack of experts, by name. */
export function expertCounts(inputs: readonly LinearInput[]): ReadonlyMap<string, number> {
  return new Map(
    inputs.flatMap(({ name, experts }) => (experts === undefined ? [] : [[name, experts] as const])),
  );
}

/**
 * The index of statistics that a text would give, for a plan without a forward pass. It takes every expert as reached.
 * @throws UnsupportedError for a family without a forward pass
 */
export async function expectedStatistics(model: Model, signal?: AbortSignal): Promise<StatisticsIndex> {
  const { inputs } = openDecoder(await decoderSource(model, signal));
  return {
    entries: new Map(
      inputs.map(({ name, columns, experts = 1 }) => [name, { columns, tokens: new Array(experts).fill(1) }]),
    ),
    shared: new Map(Object.entries(sharedNames(inputs))),
  };
}

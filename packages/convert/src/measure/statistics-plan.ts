/** What statistics of a model will hold, before anything is computed: names and shapes decide it. */
import { type Decoder, type LinearInput, type StatisticsShape, sharedNames } from "@requant/calibrate";
import type { Model } from "../model/model.ts";
import type { StatisticsIndex } from "../model/statistics-file.ts";
import { decoderSource } from "./decoder-source.ts";
import { openForwardPass } from "./forward-pass.ts";

/** The entries: that of the embeddings, then in the order of the layers; the head's is the last. */
export function entryShapes(decoder: Pick<Decoder, "inputs" | "embeddingInput">): StatisticsShape[] {
  return entryInputs(decoder).map(({ name, columns, experts }) => ({ name, columns, experts }));
}

function entryInputs({
  inputs,
  embeddingInput,
}: Pick<Decoder, "inputs" | "embeddingInput">): readonly LinearInput[] {
  return embeddingInput === undefined ? inputs : [embeddingInput, ...inputs];
}

/**
 * The index of statistics that a text would give, for a plan without a forward pass. It takes every matrix as reached by enough tokens.
 * @throws UnsupportedError for a family without a forward pass
 */
export async function expectedStatistics(model: Model, signal?: AbortSignal): Promise<StatisticsIndex> {
  const decoder = openForwardPass(await decoderSource(model, signal), "calibrate");
  return {
    entries: new Map(
      entryInputs(decoder).map(({ name, columns, experts = 1 }) => [
        name,
        { columns, tokens: new Array(experts).fill(columns) },
      ]),
    ),
    shared: new Map(Object.entries(sharedNames(decoder.inputs))),
  };
}

/** What stands in for the inputs of a table of embeddings, whose rows are looked up: the weights that read them first. */
import type { LinearInput } from "../observer.ts";
import { EMBEDDING_NAME } from "./embedding-name.ts";
import type { HeadPlan } from "./head.ts";
import type { LayerPlan, LinearPlan, NormPlan } from "./layer-plan.ts";
import { loadNorm } from "./linear.ts";
import type { Pass } from "./pass.ts";

/** Weights of the first layer, and the norm before them. */
interface Readers {
  readonly norm: NormPlan;
  readonly weights: readonly LinearPlan[];
}

/** Rows that are reported at once. */
const REPORTED_ROWS = 1024;

/**
 * The queries, keys, values, gate and up of the first layer. Undefined where the table is also the head, whose inputs are
 * its own; where the first layer has no norm before its weights; and of experts, of which each reads a part of the tokens.
 */
export function embeddingReaders(
  first: LayerPlan | undefined,
  { output }: HeadPlan,
): readonly Readers[] | undefined {
  if (first === undefined || output.name === EMBEDDING_NAME) return undefined;
  const { norms, queries, keys, values, forward } = first;
  const { attn_norm: attention, ffn_norm: own = attention } = norms;
  if (attention === undefined || own === undefined || forward === undefined) return undefined;
  const { gate, up } = forward;
  return [
    { norm: attention, weights: [queries, keys, values] },
    { norm: own, weights: gate === undefined ? [up] : [gate, up] },
  ];
}

/** How the readers are reported. */
export function embeddingInput(readers: readonly Readers[] | undefined): LinearInput | undefined {
  const columns = readers?.[0]?.norm.length;
  return columns === undefined ? undefined : { name: EMBEDDING_NAME, sharedBy: [], columns };
}

/**
 * Reports the rows of the readers, each times the weights of the norm before it, as if they were tokens: an error in a row
 * of the table matters as far as they read it (`readerStatistics` of `@requant/core/solve`).
 */
export async function observeReaders(
  { source, observer, scratch }: Pass,
  readers: readonly Readers[],
): Promise<void> {
  for (const { norm, weights } of readers) {
    const { weight: scales } = await loadNorm(source, norm);
    for (const { name, start, rows, columns } of weights) {
      for (let row = 0; row < rows; row += REPORTED_ROWS) {
        const count = Math.min(REPORTED_ROWS, rows - row);
        const x = scratch.floats("readers", count * columns);
        await source.readRows(name, start + row, start + row + count, x);
        for (let i = 0; i < x.length; i++) x[i]! *= scales[i % columns]!;
        await observer?.onInput(EMBEDDING_NAME, x, count, columns);
      }
    }
  }
}

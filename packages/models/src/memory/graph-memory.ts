/**
 * The memory that the tensors of a compute graph take: each has its place from its computation to its last use, in the smallest
 * gap that holds it (ggml, src/ggml-alloc.c, ggml_gallocr and ggml_dyn_tallocr).
 */
import type { ComputeGraph, GraphTensor } from "./compute-graph.ts";

/** Of the buffers of a processor. */
const ALIGNMENT = 32;

const aligned = (byteLength: number): number => Math.ceil(byteLength / ALIGNMENT) * ALIGNMENT;

interface Gap {
  start: number;
  end: number;
}

/** Gaps of a buffer that grows at its end; the last gap has no end. */
class Gaps {
  highest = 0;
  readonly #gaps: Gap[] = [{ start: 0, end: Number.POSITIVE_INFINITY }];

  take(byteLength: number): number {
    let best = this.#gaps.length - 1;
    let bestLength = Number.POSITIVE_INFINITY;
    for (const [index, { start, end }] of this.#gaps.entries()) {
      if (index < this.#gaps.length - 1 && end - start >= byteLength && end - start <= bestLength) {
        best = index;
        bestLength = end - start;
      }
    }
    const gap = this.#gaps[best] ?? { start: 0, end: 0 };
    const { start } = gap;
    gap.start += byteLength;
    if (gap.start === gap.end) this.#gaps.splice(best, 1);
    this.highest = Math.max(this.highest, start + byteLength);
    return start;
  }

  give(start: number, byteLength: number): void {
    const end = start + byteLength;
    const after = this.#gaps.findIndex((gap) => gap.start >= end);
    const next = after < 0 ? this.#gaps.length : after;
    this.#gaps.splice(next, 0, { start, end });
    this.#join(next);
    this.#join(next - 1);
  }

  /** Makes one of two gaps that touch. */
  #join(index: number): void {
    const [gap, next] = [this.#gaps[index], this.#gaps[index + 1]];
    if (gap === undefined || next === undefined || gap.end !== next.start) return;
    gap.end = next.end;
    this.#gaps.splice(index + 1, 1);
  }
}

interface Place {
  readonly start: number;
  readonly byteLength: number;
}

class Memory {
  readonly gaps: Gaps = new Gaps();
  readonly #places = new Map<GraphTensor, Place>();
  readonly #uses = new Map<GraphTensor, number>();
  readonly #views = new Map<GraphTensor, number>();
  readonly #graph: ComputeGraph;

  constructor(graph: ComputeGraph) {
    this.#graph = graph;
    for (const tensor of graph.inputs) this.#place(tensor);
    for (const { sources, viewOf } of graph.nodes) {
      if (viewOf !== undefined) this.#count(this.#views, viewOf, 1);
      for (const source of sources) this.#count(this.#uses, source, 1);
    }
  }

  compute(tensor: GraphTensor): void {
    if (tensor.viewOf === undefined) this.#place(tensor);
    for (const source of tensor.sources) {
      this.#count(this.#uses, source, -1);
      this.#release(source);
    }
  }

  #count(counts: Map<GraphTensor, number>, tensor: GraphTensor, change: number): number {
    const count = (counts.get(tensor) ?? 0) + change;
    counts.set(tensor, count);
    return count;
  }

  #isUnused(tensor: GraphTensor): boolean {
    return (this.#uses.get(tensor) ?? 0) === 0 && (this.#views.get(tensor) ?? 0) === 0;
  }

  #release(tensor: GraphTensor): void {
    if (!this.#isUnused(tensor)) return;
    if (tensor.viewOf !== undefined) this.#count(this.#views, tensor.viewOf, -1);
    const owner = tensor.viewOf ?? tensor;
    if (this.#isUnused(owner)) this.#free(owner);
  }

  #free(tensor: GraphTensor): void {
    const place = this.#places.get(tensor);
    if (place === undefined || this.#graph.outputs.has(tensor)) return;
    this.#places.delete(tensor);
    this.gaps.give(place.start, place.byteLength);
  }

  #place(tensor: GraphTensor): void {
    const byteLength = aligned(tensor.byteLength);
    if (byteLength === 0) return;
    const owner = tensor.reuses ? this.#reusable(tensor) : undefined;
    const reused = owner === undefined ? undefined : this.#places.get(owner);
    if (owner !== undefined) this.#places.delete(owner);
    this.#places.set(tensor, reused ?? { start: this.gaps.take(byteLength), byteLength });
  }

  /** The first source that nothing else needs, and that has memory of its own and the result's layout. */
  #reusable({ sources, layout }: GraphTensor): GraphTensor | undefined {
    return sources.find(
      (source) =>
        source.layout === layout &&
        this.#places.has(source) &&
        !this.#graph.outputs.has(source) &&
        this.#uses.get(source) === 1 &&
        (this.#views.get(source) ?? 0) === 0,
    );
  }
}

/** Bytes of the buffer for all tensors of the graph. */
export function graphByteLength(graph: ComputeGraph): number {
  const memory = new Memory(graph);
  for (const tensor of graph.nodes) memory.compute(tensor);
  return memory.gaps.highest;
}

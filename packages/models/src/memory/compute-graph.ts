/**
 * A compute graph as an allocator sees it: which tensors there are, how large they are, and which of them need each other (ggml,
 * src/ggml.c, ggml_build_forward_expand). No numbers are computed.
 */

/** A tensor of the graph. */
export interface GraphTensor {
  readonly byteLength: number;
  /** Tensors of the same layout can share their memory. */
  readonly layout: string;
  readonly sources: readonly GraphTensor[];
  /** The tensor whose memory this one shows: it has none of its own. */
  readonly viewOf: GraphTensor | undefined;
  /** True where the operation can write over one of its sources. */
  readonly reuses: boolean;
  /** `stored`: weights and caches, which have their own buffers. */
  readonly kind: "input" | "stored" | "computed";
}

const NUMBER_BYTES: Readonly<Record<"f32" | "f16" | "i32" | "i64", number>> = {
  f32: 4,
  f16: 2,
  i32: 4,
  i64: 8,
};
type NumberType = keyof typeof NUMBER_BYTES;

const stored: GraphTensor = {
  byteLength: 0,
  layout: "stored",
  sources: [],
  viewOf: undefined,
  reuses: false,
  kind: "stored",
};

/** Sizes of a tensor, as ggml counts: the innermost first. */
export type Sizes = readonly number[];

const product = (sizes: Sizes): number => sizes.reduce((all, size) => all * size, 1);

export function input(sizes: Sizes, type: NumberType = "f32"): GraphTensor {
  return {
    byteLength: product(sizes) * NUMBER_BYTES[type],
    layout: `${type}:${sizes.join("×")}`,
    sources: [],
    viewOf: undefined,
    reuses: false,
    kind: "input",
  };
}

interface ComputeOptions {
  readonly type?: NumberType;
  readonly reuses?: boolean;
}

/** The result of an operation. Weights and caches among its sources are left out: they have their own buffers. */
export function compute(
  sizes: Sizes,
  sources: readonly GraphTensor[],
  { type = "f32", reuses = false }: ComputeOptions = {},
): GraphTensor {
  return {
    byteLength: product(sizes) * NUMBER_BYTES[type],
    layout: `${type}:${sizes.join("×")}`,
    sources,
    viewOf: undefined,
    reuses,
    kind: "computed",
  };
}

/** The result of an operation that can write over its source. */
export function rewrite(sizes: Sizes, ...sources: readonly GraphTensor[]): GraphTensor {
  return compute(sizes, sources, { reuses: true });
}

/** The same memory with other sizes. */
export function view(source: GraphTensor, sizes: Sizes): GraphTensor {
  return show(source, `f32:${sizes.join("×")}`);
}

/** A part of the memory, or the memory in another order: no result has the same layout. */
export function part(source: GraphTensor): GraphTensor {
  return show(source, "part");
}

function show(source: GraphTensor, layout: string): GraphTensor {
  const viewOf = source.viewOf ?? source;
  return { byteLength: 0, layout, sources: [source], viewOf, reuses: false, kind: "computed" };
}

/** Writes into a cache or a state, which has a buffer of its own. */
export function store(...sources: readonly GraphTensor[]): GraphTensor {
  return { byteLength: 0, layout: "stored", sources, viewOf: stored, reuses: false, kind: "computed" };
}

/** The order in which the tensors are computed. */
export class ComputeGraph {
  readonly inputs: GraphTensor[] = [];
  readonly nodes: GraphTensor[] = [];
  /** What is read after the computation: it keeps its memory to the end. */
  readonly outputs: Set<GraphTensor> = new Set<GraphTensor>();
  readonly #seen = new Set<GraphTensor>();

  /** Adds what the tensor needs, and then the tensor, where they are not in the graph yet. */
  expand(tensor: GraphTensor): GraphTensor {
    if (this.#seen.has(tensor)) return tensor;
    this.#seen.add(tensor);
    for (const source of tensor.sources) this.expand(source);
    if (tensor.kind === "input") this.inputs.push(tensor);
    else if (tensor.kind === "computed") this.nodes.push(tensor);
    return tensor;
  }

  output(tensor: GraphTensor): GraphTensor {
    this.outputs.add(tensor);
    return tensor;
  }
}

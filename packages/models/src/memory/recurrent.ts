/** Layers with a state in place of a cache: state spaces, short convolutions, gated delta rules. */
import { norm } from "./blocks.ts";
import { type ComputeGraph, compute, type GraphTensor, part, rewrite, store, view } from "./compute-graph.ts";

export interface StateSpaceSizes {
  readonly width: number;
  readonly tokens: number;
  /** Values of the convolution's kernel. */
  readonly kernel: number;
  readonly inner: number;
  readonly state: number;
  readonly groups: number;
  readonly heads: number;
  /** Whether a norm follows the gate. */
  readonly normed: boolean;
}

/** The last inputs of a convolution, out of the state. */
function loadState(graph: ComputeGraph, length: number): GraphTensor {
  return graph.expand(compute([length], []));
}

/** Mamba 2 (src/models/mamba-base.cpp, build_mamba2_layer). */
export function stateSpace(
  graph: ComputeGraph,
  source: GraphTensor,
  { width, tokens, kernel, inner, state, groups, heads, normed }: StateSpaceSizes,
): GraphTensor {
  const channels = inner + 2 * groups * state;
  const last = view(loadState(graph, (kernel - 1) * channels), [kernel - 1, channels]);
  const all = compute([inner + channels + heads, tokens], [source]);
  const shown = view(all, [inner + channels + heads, tokens, 1]);
  const joined = compute([kernel - 1 + tokens, channels], [last, part(part(shown))]);
  graph.expand(store(part(joined)));
  const convolved = rewrite(
    [channels, tokens],
    rewrite([channels, tokens], compute([channels, tokens], [joined])),
  );
  const steps = rewrite([heads, tokens], compute([heads, tokens], [part(shown)]));
  const x = part(convolved);
  const scanned = graph.expand(
    compute([inner * tokens + state * inner], [x, steps, part(convolved), part(convolved)]),
  );
  graph.expand(store(part(scanned)));
  const flat = [inner, tokens];
  const added = rewrite(flat, part(scanned), rewrite(flat, x));
  const gated = compute(flat, [compute(flat, [part(shown)]), added]);
  const result = normed ? norm("rms", flat, view(gated, flat)) : gated;
  return compute([width, tokens], [view(result, flat)]);
}

export interface ScanSizes {
  readonly width: number;
  readonly tokens: number;
  /** Values of the convolution's kernel. */
  readonly kernel: number;
  readonly inner: number;
  readonly state: number;
  /** Of the steps of time. */
  readonly rank: number;
  /** Whether steps, inputs and outputs of the state are normed. */
  readonly normed: boolean;
}

/** Mamba 1 (src/models/mamba-base.cpp, build_mamba_layer). */
export function selectiveScan(
  graph: ComputeGraph,
  source: GraphTensor,
  { width, tokens, kernel, inner, state, rank, normed }: ScanSizes,
): GraphTensor {
  const flat = [inner, tokens];
  const last = view(loadState(graph, (kernel - 1) * inner), [kernel - 1, inner]);
  const all = compute([2 * inner, tokens], [view(source, [width, tokens, 1])]);
  const joined = compute([kernel - 1 + tokens, inner], [last, part(part(all))]);
  graph.expand(store(part(joined)));
  const convolved = rewrite(flat, rewrite(flat, compute(flat, [joined])));
  const mixed = compute([rank + 2 * state, tokens], [convolved]);
  const own = (length: number): GraphTensor =>
    normed ? norm("rms", [length, tokens], part(mixed)) : part(mixed);
  const steps = normed ? own(rank) : compute([rank, tokens], [part(mixed)]);
  const [inputs, outputs] = [own(state), own(state)];
  const times = rewrite(flat, compute(flat, [steps]));
  const x = view(convolved, [1, inner, tokens]);
  const scanned = graph.expand(compute([inner * tokens + state * inner], [x, times, inputs, outputs]));
  graph.expand(store(part(scanned)));
  const added = rewrite(flat, part(scanned), rewrite(flat, convolved));
  const gated = compute(flat, [compute(flat, [part(all)]), added]);
  return view(compute([width, tokens], [gated]), [width, tokens]);
}

export interface ConvolutionSizes {
  readonly width: number;
  readonly tokens: number;
  readonly kernel: number;
}

/** A short convolution between two gates (src/models/lfm2.cpp, build_shortconv_block). */
export function shortConvolution(
  graph: ComputeGraph,
  source: GraphTensor,
  { width, tokens, kernel }: ConvolutionSizes,
): GraphTensor {
  const all = compute([3 * width, tokens], [view(source, [width, tokens, 1])]);
  const flat = [width, tokens];
  const gated = part(compute(flat, [part(all), part(all)]));
  const last = view(loadState(graph, (kernel - 1) * width), [kernel - 1, width]);
  const joined = compute([kernel - 1 + tokens, width], [last, gated]);
  graph.expand(store(part(joined)));
  const convolved = compute(flat, [joined]);
  const opened = rewrite(flat, part(all), convolved);
  return view(compute(flat, [opened]), flat);
}

export interface DeltaSizes {
  readonly width: number;
  readonly tokens: number;
  readonly kernel: number;
  readonly keyHeads: number;
  readonly valueHeads: number;
  /** Of a head. */
  readonly length: number;
}

/** Linear attention with a gated delta rule (src/models/qwen35.cpp, build_layer_attn_linear). */
export function gatedDelta(
  graph: ComputeGraph,
  source: GraphTensor,
  { width, tokens, kernel, keyHeads, valueHeads, length }: DeltaSizes,
): GraphTensor {
  const values = length * valueHeads;
  const channels = values + 2 * length * keyHeads;
  const heads = [valueHeads, tokens];
  const mixed = compute([channels, tokens], [source]);
  const z = compute([values, tokens], [source]);
  const beta = rewrite(heads, view(compute(heads, [source]), heads));
  const alpha = rewrite(heads, rewrite(heads, view(compute(heads, [source]), heads)));
  const gate = rewrite(heads, alpha);
  const last = view(loadState(graph, (kernel - 1) * channels), [kernel - 1, channels]);
  const joined = compute([kernel - 1 + tokens, channels], [last, part(mixed)]);
  graph.expand(store(part(joined)));
  const state = view(loadState(graph, length * length * valueHeads), [length, length, valueHeads]);
  const convolved = rewrite([channels, tokens], compute([channels, tokens], [joined]));
  const normed = () => compute([length, keyHeads, tokens], [part(convolved)]);
  const result = compute([values, tokens + length], [normed(), normed(), part(convolved), gate, beta, state]);
  graph.expand(store(part(result)));
  const flat = [values, tokens];
  const output = norm("rms", flat, part(result));
  const opened = rewrite(flat, output, rewrite(flat, view(z, flat)));
  return view(compute([width, tokens], [view(opened, flat)]), [width, tokens]);
}

/** RWKV 7: no attention; each layer mixes a token with the one before it and with a state (src/models/rwkv7.cpp and rwkv7-base.cpp). */
import { norm } from "./blocks.ts";
import {
  ComputeGraph,
  compute,
  type GraphTensor,
  input,
  part,
  rewrite,
  store,
  view,
} from "./compute-graph.ts";

export interface RwkvModel {
  readonly width: number;
  readonly tokens: number;
  readonly layers: number;
  readonly vocabulary: number;
  /** Of a head. */
  readonly length: number;
  /** Shapes of the tensors of a layer, by name without the layer. */
  readonly shape: (layer: number, name: string) => readonly number[] | undefined;
}

export function rwkvGraph(model: RwkvModel): ComputeGraph {
  const { width, tokens, layers, vocabulary } = model;
  const row = [width, tokens];
  const graph = new ComputeGraph();
  const embedded = graph.expand(compute(row, [input([tokens], "i32")]));
  graph.expand(input(row));
  const chosen = input([tokens], "i32");
  let hidden = norm("layer", row, embedded);
  let first: GraphTensor | undefined;
  for (let layer = 0; layer < layers; layer++) {
    const isLast = layer === layers - 1;
    const rows = (tensor: GraphTensor): GraphTensor => (isLast ? compute(row, [tensor, chosen]) : tensor);
    const shift = view(compute([2 * width], []), [width, 2]);
    const normed = norm("layer", row, view(hidden, row));
    const before = compute(row, [part(shift), part(normed)]);
    const mixed = timeMix(graph, model, { layer, normed, before, first });
    first ??= mixed.value;
    const joined = rewrite(row, view(mixed.result, row), view(hidden, row));
    const second = norm("layer", row, joined);
    const previous = compute(row, [part(shift), part(second)]);
    graph.expand(store(compute([width, 2], [part(normed), part(second)])));
    const [own, source, last] = [rows(joined), rows(second), rows(previous)];
    const difference = rewrite(row, last, source);
    const mix = rewrite(row, rewrite(row, difference), source);
    const inner = [model.shape(layer, "channel_mix_key.weight")?.[0] ?? 0, tokens];
    const wide = rewrite(inner, rewrite(inner, compute(inner, [mix])));
    hidden = rewrite(row, compute(row, [wide]), own);
  }
  const result = graph.output(norm("layer", row, hidden));
  graph.expand(graph.output(compute([vocabulary, tokens], [result])));
  return graph;
}

interface MixInputs {
  readonly layer: number;
  readonly normed: GraphTensor;
  /** The tokens, each in the place of the next. */
  readonly before: GraphTensor;
  /** The values of the first layer. */
  readonly first: GraphTensor | undefined;
}

function timeMix(
  graph: ComputeGraph,
  { width, tokens, length, shape }: RwkvModel,
  { layer, normed, before, first }: MixInputs,
): { readonly result: GraphTensor; readonly value: GraphTensor } {
  const row = [width, tokens];
  const heads = [length, width / length, tokens];
  const rank = (name: string): readonly number[] => [shape(layer, `${name}.weight`)?.[0] ?? 0, tokens];
  const hasGate = shape(layer, "time_mix_g1.weight") !== undefined;
  const folded = [width, tokens, 1, hasGate ? 6 : 5];
  const repeated = compute(folded, [rewrite(row, before, normed)]);
  const all = rewrite(folded, rewrite(folded, repeated), normed);
  const low = (name: string): GraphTensor => compute(rank(name), [part(all)]);
  const r = compute(row, [part(all)]);
  const decay = rewrite(row, compute(row, [rewrite(rank("time_mix_w1"), low("time_mix_w1"))]));
  const w = rewrite(row, rewrite(row, rewrite(row, decay)));
  const k = compute(row, [part(all)]);
  const value = compute(row, [part(all)]);
  let v = value;
  if (first !== undefined) {
    const share = rewrite(row, rewrite(row, compute(row, [low("time_mix_v1")])));
    v = rewrite(row, value, rewrite(row, rewrite(row, first, value), share));
  }
  const gate = hasGate ? compute(row, [rewrite(rank("time_mix_g1"), low("time_mix_g1"))]) : undefined;
  const a = rewrite(row, rewrite(row, compute(row, [low("time_mix_a1")])));
  const kk = compute(heads, [view(rewrite(row, k), heads)]);
  const ka = rewrite(row, k);
  const key = rewrite(row, k, rewrite(row, rewrite(row, a, ka), ka));
  const [shownKey, shownValue, shownRate, shownR] = [key, v, a, r].map((one) => view(one, heads)) as [
    GraphTensor,
    GraphTensor,
    GraphTensor,
    GraphTensor,
  ];
  const state = view(compute([width * length], []), [width * length]);
  const sources = [
    shownR,
    view(w, heads),
    shownKey,
    shownValue,
    rewrite(heads, kk),
    rewrite(heads, kk, shownRate),
    state,
  ];
  const output = compute([width, tokens + length], sources);
  graph.expand(store(part(output)));
  const grouped = view(compute(heads, [part(output)]), row);
  const scaled = rewrite(row, rewrite(row, grouped));
  const sums = compute([1, width / length, tokens], [rewrite(heads, rewrite(heads, shownKey, shownR))]);
  const added = rewrite(row, scaled, view(rewrite(heads, shownValue, sums), row));
  const opened = gate === undefined ? added : rewrite(row, added, gate);
  return { result: compute(row, [opened]), value };
}

/** The graph that llama.cpp builds for a batch of tokens (src/models): one block after another, and the outputs. */
import { headLengths, headsOfKeys, isLatent, rotated, type Sizes } from "../llama-cpp/sizes.ts";
import { attention, type CacheInputs, cacheInputs, expandedAttention, latentAttention } from "./attention.ts";
import { experts, forward, type NormKind, norm } from "./blocks.ts";
import { ComputeGraph, compute, type GraphTensor, input, rewrite } from "./compute-graph.ts";
import { isDescribed } from "./described.ts";
import { gatedDelta, selectiveScan, shortConvolution, stateSpace } from "./recurrent.ts";
import type { LayerMemory, MemoryRules } from "./rules.ts";
import { rwkvGraph } from "./rwkv.ts";

/** A model as the graph needs it. */
export interface GraphModel {
  readonly sizes: Sizes;
  readonly rules: MemoryRules;
  readonly layers: readonly LayerMemory[];
  /** Shapes of the tensors by name, outermost first. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
}

export interface GraphOptions {
  readonly tokens: number;
  readonly cells: number;
  readonly windowCells: number;
  readonly isQuantized: boolean;
}

/** Undefined where the model has blocks whose graph is not described, or where its tensors are not known. */
export function decoderGraph(model: GraphModel, options: GraphOptions): ComputeGraph | undefined {
  const { sizes, rules, layers, shapes } = model;
  const { tokens } = options;
  const width = sizes.number("embedding_length");
  const vocabulary = sizes.vocabulary;
  if (width === undefined || vocabulary === undefined) return undefined;
  if (rules.keepsNothing === true || shapes.size === 0) return undefined;
  const shape = (layer: number, name: string) => shapes.get(`blk.${layer}.${name}`);
  if (shape(0, "time_mix_a1.weight") !== undefined) {
    const length = sizes.number("wkv.head_size");
    return length === undefined || length < 1
      ? undefined
      : rwkvGraph({ width, tokens, vocabulary, layers: layers.length, length, shape });
  }
  if (![...shapes.keys()].every(isDescribed)) return undefined;
  const kind: NormKind =
    sizes.number("attention.layer_norm_rms_epsilon") !== undefined || rules.normsWithoutMean === true
      ? "rms"
      : "layer";
  const row = [width, tokens];
  const graph = new ComputeGraph();
  const builder = new LayerBuilder(graph, model, options, { width, kind });
  // the embeddings of a batch may be given in place of its tokens: that input is there, but unused
  const ids = input([tokens], "i32");
  let hidden = graph.expand(compute(row, [ids]));
  graph.expand(input(row));
  const chosen = input([tokens], "i32");
  const choose = (tensor: GraphTensor): GraphTensor => compute(row, [tensor, chosen]);
  for (const layer of layers) {
    const isLast = layer.layer === layers.length - 1;
    const next = builder.layer(layer, hidden, isLast && rules.choosesRows === undefined ? choose : undefined);
    if (next === undefined) return undefined;
    hidden = next;
  }
  if (rules.keepsHidden === true) graph.output(hidden);
  if (rules.choosesRows === "after layers") hidden = choose(hidden);
  let result = norm(kind, row, hidden);
  if (rules.choosesRows === "after norm") result = choose(graph.output(result));
  graph.output(result);
  if (rules.expandsLatent === true) result = rewrite(row, result);
  graph.expand(graph.output(compute([vocabulary, tokens], [result])));
  return graph;
}

class LayerBuilder {
  readonly #graph: ComputeGraph;
  readonly #model: GraphModel;
  readonly #tokens: number;
  readonly #width: number;
  readonly #kind: NormKind;
  readonly #whole: CacheInputs;
  readonly #window: CacheInputs;
  readonly #positions: GraphTensor;

  constructor(
    graph: ComputeGraph,
    model: GraphModel,
    { tokens, cells, windowCells, isQuantized }: GraphOptions,
    { width, kind }: { readonly width: number; readonly kind: NormKind },
  ) {
    this.#graph = graph;
    this.#model = model;
    this.#tokens = tokens;
    this.#width = width;
    this.#kind = kind;
    const options = {
      isQuantized: isQuantized && !isLatent(model.sizes),
      keysFirst: model.layers.some(({ isWindowed }) => isWindowed),
    };
    const of = (isWindowed: boolean, count: number): CacheInputs =>
      cacheInputs(count, tokens, options, sameLengths(model, isWindowed));
    this.#whole = of(false, cells);
    this.#window = of(true, windowCells);
    // four numbers for each token where texts and pictures share positions
    const sections = model.sizes.isList("rope.dimension_sections") ? 4 : 1;
    this.#positions = input([tokens * sections], "i32");
  }

  layer(
    memory: LayerMemory,
    before: GraphTensor,
    choose: ((tensor: GraphTensor) => GraphTensor) | undefined,
  ): GraphTensor | undefined {
    const has = (name: string): boolean => this.#shape(memory, name) !== undefined;
    const row = [this.#width, this.#tokens];
    const normed = has("attn_norm.weight") ? norm(this.#kind, row, before) : before;
    const rows = choose ?? ((tensor) => tensor);
    const mixes = memory.cache !== undefined || memory.hasState || has("attn_output.weight");
    if (!mixes && !has("ffn_norm.weight")) {
      const only = this.#forward(memory, normed);
      return only === undefined ? undefined : rewrite(row, rows(only), rows(before));
    }
    const mixed = this.#mix(
      memory,
      has("attn_norm_2.weight") ? norm(this.#kind, row, before) : normed,
      before,
    );
    if (mixed === undefined) return undefined;
    // beside a state, the rows are chosen of the sum
    const isBeside = memory.hasState && memory.cache !== undefined;
    const attended = isBeside ? mixed : rows(mixed);
    const residual = isBeside ? before : rows(before);
    // where there is no norm before it, the forward half reads what attention reads
    const isParallel = !has("ffn_norm.weight") && !has("post_attention_norm.weight");
    if (isParallel) {
      const half = this.#forward(memory, rows(normed));
      const own = half === undefined ? residual : rewrite(row, half, residual);
      return half === undefined ? rewrite(row, attended, own) : rewrite(row, own, attended);
    }
    const isBetween = has("ffn_norm.weight") || has("post_ffw_norm.weight");
    const hasPostNorm = has("post_attention_norm.weight") && isBetween;
    const { residualFirst } = this.#model.rules;
    const add = (isFirst: boolean, half: GraphTensor, before: GraphTensor): GraphTensor =>
      isFirst ? rewrite(row, before, half) : rewrite(row, half, before);
    const own = hasPostNorm ? norm(this.#kind, row, attended) : attended;
    const sum = add(residualFirst === "both", own, residual);
    const joined = isBeside ? rows(sum) : sum;
    const isNormed = has("ffn_norm.weight") || !isBetween;
    const half = this.#forward(memory, isNormed ? norm(this.#kind, row, joined) : joined);
    if (half === undefined) return undefined;
    const whole = has("post_ffw_norm.weight") ? norm(this.#kind, row, half) : half;
    return add(residualFirst !== undefined, whole, joined);
  }

  /** Falcon-H1's norm before the forward half has no `.weight` in its name. */
  #shape({ layer }: LayerMemory, name: string): readonly number[] | undefined {
    const { shapes } = this.#model;
    const plain = name === "ffn_norm.weight" ? shapes.get(`blk.${layer}.ffn_norm`) : undefined;
    return shapes.get(`blk.${layer}.${name}`) ?? plain;
  }

  #forward(memory: LayerMemory, source: GraphTensor): GraphTensor | undefined {
    const { sizes } = this.#model;
    const rows = (name: string): number | undefined => this.#shape(memory, name)?.at(-2);
    const common = { width: this.#width, tokens: this.#tokens };
    const gated = (suffix: string, inner: number) => {
      const up = rows(`ffn_up${suffix}.weight`);
      if (rows(`ffn_gate_up${suffix}.weight`) !== undefined || up === 2 * inner) return "fused";
      return rows(`ffn_gate${suffix}.weight`) === undefined ? "none" : "separate";
    };
    const dense = (suffix: string): GraphTensor | undefined => {
      const inner = this.#shape(memory, `ffn_down${suffix}.weight`)?.at(-1);
      if (inner === undefined) return undefined;
      return forward(source, { ...common, inner, gate: gated(suffix, inner) });
    };
    const stack = this.#shape(memory, "ffn_down_exps.weight");
    if (stack === undefined) return dense("");
    const [count = 0, , inner = 0] = stack;
    const used = sizes.at("expert_used_count", memory.layer) ?? 0;
    if (used < 1 || used > MOST_USED) return undefined;
    const mixture = experts(this.#graph, source, {
      ...common,
      inner,
      count,
      used,
      gate: gated("_exps", inner),
      selectionBias: this.#shape(memory, "exp_probs_b.bias") !== undefined,
    });
    const shared = dense("_shexp");
    return shared === undefined ? mixture : rewrite([this.#width, this.#tokens], mixture, shared);
  }

  #mix(memory: LayerMemory, source: GraphTensor, before: GraphTensor): GraphTensor | undefined {
    const { rules } = this.#model;
    if (rules.states === "most") this.#graph.expand(source);
    if (!memory.hasState) return this.#attend(memory, source);
    if (memory.cache === undefined) return this.#state(source, memory);
    // the norm is computed a second time for the state
    const row = [this.#width, this.#tokens];
    const attended = this.#attend(memory, source);
    const scanned = attended === undefined ? undefined : this.#state(norm(this.#kind, row, before), memory);
    return attended === undefined || scanned === undefined ? undefined : rewrite(row, attended, scanned);
  }

  #attend(memory: LayerMemory, source: GraphTensor): GraphTensor | undefined {
    const { sizes, rules } = this.#model;
    const heads = sizes.at("attention.head_count", memory.layer) ?? 0;
    const common = { width: this.#width, tokens: this.#tokens, heads };
    const cache = memory.isWindowed ? this.#window : this.#whole;
    if (isLatent(sizes)) {
      const [keyRank, turned] = [sizes.number("attention.kv_lora_rank"), rotated(sizes)];
      const [keyLength, valueLength] = [
        sizes.number("attention.key_length_mla"),
        sizes.number("attention.value_length_mla"),
      ];
      if (!keyRank || !turned || !keyLength || !valueLength) return undefined;
      const queryRank = this.#shape(memory, "attn_q_a.weight")?.at(-2);
      const latent = { ...common, queryRank, keyRank, turned, keyLength, valueLength };
      return latentAttention(this.#graph, source, latent, cache, this.#positions);
    }
    const [keyLength, valueLength] = headLengths(sizes, memory.isWindowed);
    const shared = headsOfKeys(sizes, memory.layer);
    if (this.#shape(memory, "attn_kv_b.weight") !== undefined) {
      const queryRank = this.#shape(memory, "attn_q_a.weight")?.at(-2);
      const [keyRank, turned] = [sizes.number("attention.kv_lora_rank"), rotated(sizes)];
      if (rules.expandsLatent !== true || !queryRank || !keyRank || !turned || !keyLength || !valueLength)
        return undefined;
      const latent = { ...common, queryRank, keyRank, turned, keyLength, valueLength };
      return expandedAttention(this.#graph, source, latent, cache, this.#positions);
    }
    if (memory.cache === undefined || keyLength === undefined || valueLength === undefined) return undefined;
    const plain = {
      ...common,
      keyHeads: shared ?? heads,
      keyLength,
      valueLength,
      fused: this.#shape(memory, "attn_qkv.weight") !== undefined,
      normed: this.#shape(memory, "attn_q_norm.weight") !== undefined,
      rotated: rules.rotates?.(sizes, memory) ?? true,
      gated: this.#shape(memory, "attn_q.weight")?.[0] === 2 * keyLength * heads,
    };
    return attention(this.#graph, source, plain, cache, this.#positions);
  }

  #state(source: GraphTensor, memory: LayerMemory): GraphTensor | undefined {
    const { sizes } = this.#model;
    const of = (key: string): number => sizes.number(key) ?? 0;
    const has = (name: string): boolean => this.#shape(memory, name) !== undefined;
    const common = { width: this.#width, tokens: this.#tokens };
    if (has("shortconv.conv.weight"))
      return shortConvolution(this.#graph, source, { ...common, kernel: of("shortconv.l_cache") });
    const kernel = of("ssm.conv_kernel");
    if (has("ssm_beta.weight") && has("attn_qkv.weight"))
      return gatedDelta(this.#graph, source, {
        ...common,
        kernel,
        keyHeads: of("ssm.group_count"),
        valueHeads: of("ssm.time_step_rank"),
        length: of("ssm.state_size"),
      });
    if (has("ssm_in.weight") && has("ssm_x.weight"))
      return selectiveScan(this.#graph, source, {
        ...common,
        kernel,
        inner: of("ssm.inner_size"),
        state: of("ssm.state_size"),
        rank: of("ssm.time_step_rank"),
        normed: sizes.flag("ssm.dt_b_c_rms") === true || has("ssm_dt_norm.weight"),
      });
    if (has("ssm_in.weight") && of("ssm.group_count") > 0)
      return stateSpace(this.#graph, source, {
        ...common,
        kernel,
        inner: of("ssm.inner_size"),
        state: of("ssm.state_size"),
        groups: of("ssm.group_count"),
        heads: of("ssm.time_step_rank"),
        normed: has("ssm_norm.weight"),
      });
    return undefined;
  }
}

/** No model uses more experts for a token. */
const MOST_USED = 64;

/** The lengths that all layers of a cache share. */
function sameLengths(
  { sizes, layers }: GraphModel,
  isWindowed: boolean,
): { readonly key: number | undefined; readonly value: number | undefined } {
  const used = layers.some((layer) => layer.cache !== undefined && layer.isWindowed === isWindowed);
  const [key, value] = used ? headLengths(sizes, isWindowed) : [];
  return { key, value };
}

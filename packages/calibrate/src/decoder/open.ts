import { UsageError } from "@requant/core";
import type { Compute } from "../compute/compute.ts";
import { referenceCompute } from "../compute/reference.ts";
import { type HiddenStates, memoryStates } from "../hidden-states.ts";
import type { LinearInput, Observer } from "../observer.ts";
import { embed } from "./embedding.ts";
import { EMBEDDING_NAME } from "./embedding-name.ts";
import { embeddingInput, embeddingReaders, observeReaders } from "./embedding-readers.ts";
import { type DecoderHead, type HeadPlan, openHead } from "./head.ts";
import { inputsOf } from "./inputs.ts";
import { runLayer } from "./layer.ts";
import { planLayer, refuseUnread, TensorLookup } from "./layer-plan.ts";
import { readWhole } from "./linear.ts";
import type { Pass } from "./pass.ts";
import { type RopeTable, ropeTable } from "./rope.ts";
import { Scratch } from "./scratch.ts";
import { type DecoderSettings, decoderSettings } from "./settings.ts";
import type { DecoderSource } from "./source.ts";

/** Options of `openDecoder`. */
export interface DecoderOptions {
  /** The heavy steps; TypeScript alone where it is absent. */
  readonly compute?: Compute | undefined;
  readonly observer?: Observer | undefined;
  /** Tokens that are computed at once, in whole windows; 2048. */
  readonly batchTokens?: number | undefined;
  /** Bytes of expert weights that are in memory at once; 1 GiB. */
  readonly expertBytes?: number | undefined;
  /** Bytes of the head's weight that are in memory at once; 1 GiB. */
  readonly headBytes?: number | undefined;
  /** Where the sums of experts are kept; in memory. */
  readonly makeStates?: Pass["makeStates"] | undefined;
}

/** A model that computes layer by layer: `embed`, then each layer in order, then the head. */
export interface Decoder {
  /** Number of layers. */
  readonly layers: number;
  /** Length of a hidden state. */
  readonly hidden: number;
  readonly vocabulary: number;
  /** All inputs of linear layers that the observer gets, in the order of the layers; the head's is the last. */
  readonly inputs: readonly LinearInput[];
  /**
   * The input that stands in for those of the table of embeddings, which `observeEmbedding` reports. Undefined where the table
   * is also the head, and where the first layer has no norm before its weights, or experts.
   */
  readonly embeddingInput: LinearInput | undefined;
  /** Writes the embeddings of ids[windows, tokens]. */
  embed(tokens: Int32Array, states: HiddenStates): Promise<void>;
  /** Replaces the hidden states before a layer by those after it. Only this layer's weights are read. */
  runLayer(layer: number, states: HiddenStates): Promise<void>;
  /** Reports to the observer, as `embeddingInput`, the rows of the first layer's weights: they read the embeddings. */
  observeEmbedding(): Promise<void>;
  /**
   * Reads the last norm and the output matrix, which give the logits. Call it after the last layer, so that its memory is
   * not needed before.
   */
  openHead(): Promise<DecoderHead>;
}

const GIB = 2 ** 30;
const ropeNames = ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"] as const;

/** The factors that llama.cpp takes for a window: those for long texts beyond the original context. */
function factorName(
  { shapes }: DecoderSource,
  settings: DecoderSettings,
  tokens: number,
): string | undefined {
  const [plain, long, short] = ropeNames;
  if (shapes.has(plain)) return plain;
  const name = tokens > settings.originalContext ? long : short;
  return shapes.has(name) ? name : undefined;
}

/** Rope tables, each computed once. */
function ropeTables(source: DecoderSource, settings: DecoderSettings): Pass["ropeTable"] {
  const tables = new Map<string, Promise<RopeTable>>();
  const make = async (windowed: boolean, tokens: number): Promise<RopeTable> => {
    const rope = windowed ? settings.windowRope : settings.rope;
    if (rope === undefined) return { cosines: new Float32Array(0), sines: new Float32Array(0) };
    const name = windowed ? undefined : factorName(source, settings, tokens);
    return ropeTable(rope, tokens, name === undefined ? undefined : await readWhole(source, name));
  };
  return (windowed, tokens) => {
    const key = `${windowed} ${tokens}`;
    const table = tables.get(key) ?? make(windowed, tokens);
    tables.set(key, table);
    return table;
  };
}

/** The tensors outside the layers. */
function planEnds(lookup: TensorLookup, settings: DecoderSettings): HeadPlan {
  const { hidden, vocabulary, description, rope } = settings;
  lookup.expect(EMBEDDING_NAME, -1, hidden);
  if (description.positions === "learned") lookup.expect("position_embd.weight", -1, hidden);
  for (const name of ropeNames) {
    if (rope !== undefined && lookup.has(name)) lookup.expect(name, rope.length / 2);
  }
  const own = lookup.has("output.weight");
  return {
    norm: lookup.norm("output_norm", hidden),
    output: lookup.linear(own ? "output" : "token_embd", vocabulary, hidden),
  };
}

/**
 * Opens a model for its forward pass in f32. Metadata and the shapes of all tensors are checked here, before anything is
 * read.
 * @throws UnsupportedError for a family, a setting or a tensor that the forward pass does not know; FormatError for a missing tensor or a contradictory size
 */
export function openDecoder(source: DecoderSource, options: DecoderOptions = {}): Decoder {
  const settings = decoderSettings(source);
  const lookup = new TensorLookup(source.shapes);
  const head = planEnds(lookup, settings);
  const plans = Array.from({ length: settings.layers }, (_, layer) => planLayer(lookup, settings, layer));
  refuseUnread(source.shapes, lookup, settings.architecture);
  const compute = options.compute ?? referenceCompute;
  const pass: Pass = {
    source,
    settings,
    compute,
    observer: options.observer,
    scratch: new Scratch(compute),
    batchTokens: options.batchTokens ?? 2048,
    expertBytes: options.expertBytes ?? GIB,
    makeStates: options.makeStates ?? memoryStates,
    ropeTable: ropeTables(source, settings),
  };
  const readers = embeddingReaders(plans[0], head);
  return {
    layers: settings.layers,
    hidden: settings.hidden,
    vocabulary: settings.vocabulary,
    inputs: inputsOf(plans, head),
    embeddingInput: embeddingInput(readers),
    embed: (tokens, states) => embed(pass, tokens, states),
    runLayer(layer, states) {
      const plan = plans[layer];
      if (plan !== undefined) return runLayer(pass, plan, states);
      throw new UsageError(`The model has the layers 0 to ${settings.layers - 1}, but not ${layer}.`);
    },
    async observeEmbedding() {
      if (readers !== undefined) await observeReaders(pass, readers);
    },
    openHead: () => openHead(pass, head, options.headBytes ?? GIB),
  };
}

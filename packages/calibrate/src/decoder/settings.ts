/** The numbers of one model: its family's description with the values of its metadata (llama.cpp, llama-model.cpp). */
import { FormatError, UnsupportedError } from "@requant/core";
import { quoted } from "@requant/core/text";
import { type DecoderDescription, decoderNamed, decoderNames, knownRopeScalings } from "@requant/models";
import { EMBEDDING_NAME } from "./embedding-name.ts";
import type { RopeSettings } from "./rope.ts";
import type { RouterSettings } from "./router.ts";
import { type DecoderSource, type Keys, keysOf } from "./source.ts";

export interface DecoderSettings {
  readonly architecture: string;
  readonly description: DecoderDescription;
  readonly layers: number;
  /** Length of a hidden state. */
  readonly hidden: number;
  readonly vocabulary: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly headLength: number;
  readonly epsilon: number;
  /** Of attention scores. */
  readonly scoreScale: number;
  readonly scoreCap: number;
  readonly embeddingScale: number;
  /** Of what each half of a layer adds. */
  readonly residualScale: number;
  readonly logitScale: number;
  readonly logitCap: number;
  readonly parallel: boolean;
  /** Of layers without a window. */
  readonly rope: RopeSettings | undefined;
  /** Of layers with a window. */
  readonly windowRope: RopeSettings | undefined;
  /** Whether a layer rotates at all. */
  rotates(layer: number): boolean;
  /** The tokens that a token of this layer sees; 0 for all. */
  reachOf(layer: number): number;
  /** The tokens for which the rope factors for short texts are made. */
  readonly originalContext: number;
  /** Settings of layers with experts. */
  readonly router: Omit<RouterSettings, "experts"> | undefined;
}

/** @throws UnsupportedError for a family without a forward pass; FormatError for impossible or missing settings */
export function decoderSettings({
  metadata,
  shapes,
}: Pick<DecoderSource, "metadata" | "shapes">): DecoderSettings {
  const keys = keysOf(metadata);
  const { architecture } = keys;
  const description = decoderNamed(architecture);
  if (description === undefined) {
    throw new UnsupportedError(
      architecture === ""
        ? "The metadata name no general.architecture, so it is not known how the model computes."
        : `The forward pass of the architecture ${architecture} is not known.`,
      { hint: `Known are ${decoderNames().join(", ")}.` },
    );
  }
  const hidden = count(keys, "~.embedding_length");
  const heads = count(keys, "~.attention.head_count");
  const keyHeads = keys.number("~.attention.head_count_kv") ?? heads;
  const layers = count(keys, "~.block_count");
  const headLength = keys.number("~.attention.key_length") ?? Math.floor(hidden / heads);
  const valueLength = keys.number("~.attention.value_length") ?? headLength;
  if (!Number.isInteger(keyHeads) || keyHeads < 1 || heads % keyHeads !== 0 || headLength < 1) {
    throw new FormatError(
      `${heads} heads of queries cannot share ${keyHeads} heads of keys of length ${headLength}.`,
      { hint: "Correct attention.head_count, attention.head_count_kv and attention.key_length." },
    );
  }
  if (valueLength !== headLength) {
    throw new UnsupportedError(
      `The forward pass needs keys and values of one length; they have ${headLength} and ${valueLength}.`,
    );
  }
  const rms = description.norm === "rms";
  const epsilon = keys.number(`~.attention.layer_norm_${rms ? "rms_" : ""}epsilon`);
  if (epsilon === undefined || !(epsilon >= 0)) {
    throw new FormatError(
      `The metadata must give ${architecture}.attention.layer_norm_${rms ? "rms_" : ""}epsilon, 0 or more.`,
    );
  }
  const wide = description.wideScaleLayers === layers;
  const multiplier = (key: string): number | undefined => {
    const value = description.multipliers ? keys.number(key) : undefined;
    return value === 0 ? undefined : value;
  };
  const rope = ropeOf(keys, description, headLength);
  const reachOf = reaches(keys, description);
  return {
    architecture,
    description,
    layers,
    hidden,
    vocabulary: shapes.get(EMBEDDING_NAME)?.[0] ?? 0,
    heads,
    keyHeads,
    headLength,
    epsilon,
    scoreScale:
      multiplier("~.attention.scale") ?? 1 / Math.sqrt(wide ? Math.floor(hidden / heads) : headLength),
    scoreCap:
      description.scoreCap === undefined
        ? 0
        : (keys.number("~.attn_logit_softcapping") ?? description.scoreCap),
    embeddingScale: description.scalesEmbedding ? Math.sqrt(hidden) : (multiplier("~.embedding_scale") ?? 1),
    residualScale: multiplier("~.residual_scale") ?? 1,
    logitScale: 1 / (multiplier("~.logit_scale") ?? 1),
    logitCap:
      description.logitCap === undefined
        ? 0
        : (keys.number("~.final_logit_softcapping") ?? description.logitCap),
    parallel: description.parallelKey !== undefined && (keys.flag(description.parallelKey) ?? true),
    rope,
    // layers with a window are rotated without scaling
    windowRope: rope && {
      ...rope,
      base: keys.number("~.rope.freq_base_swa") ?? description.windows?.ropeBase ?? rope.base,
      scale: 1,
      magnitude: 1,
      yarn: undefined,
    },
    rotates: (layer) =>
      description.unrotatedPeriod === undefined || (layer + 1) % description.unrotatedPeriod !== 0,
    reachOf,
    originalContext: originalContext(keys),
    router: routerOf(keys, description),
  };
}

function count(keys: Keys, key: string): number {
  const value = keys.number(key);
  if (value !== undefined && Number.isSafeInteger(value) && value > 0) return value;
  throw new FormatError(
    `The metadata must give ${key.replace("~", keys.architecture)} as a whole number above 0; it is ${value ?? "missing"}.`,
  );
}

function originalContext(keys: Keys): number {
  return (
    keys.number("~.rope.scaling.original_context_length") ??
    keys.number("~.context_length") ??
    Number.POSITIVE_INFINITY
  );
}

function ropeOf(keys: Keys, description: DecoderDescription, headLength: number): RopeSettings | undefined {
  const kind = description.positions;
  if (kind === "learned") return undefined;
  if (description.rotationKey && keys.flag("~.rope.scaling.finetuned") === false) return undefined;
  const length = keys.number("~.rope.dimension_count") ?? headLength;
  const base = keys.number("~.rope.freq_base") ?? 10000;
  if (length % 2 !== 0 || length < 2 || length > headLength || !(base > 0)) {
    throw new FormatError(
      `A head of ${headLength} cannot be rotated in ${length} dimensions with base ${base}.`,
      { hint: "Correct rope.dimension_count and rope.freq_base." },
    );
  }
  // llama.cpp takes a factor without a type for a linear one
  const type = keys.text("~.rope.scaling.type") ?? "linear";
  if (!knownRopeScalings.has(type)) {
    throw new UnsupportedError(`The forward pass does not know the rope.scaling.type ${quoted(type)}.`, {
      hint: `Correct it: llama.cpp knows ${[...knownRopeScalings].join(", ")}.`,
    });
  }
  const factor =
    type === "none" ? 0 : (keys.number("~.rope.scaling.factor") ?? keys.number("~.rope.scale_linear") ?? 0);
  const scale = factor === 0 ? 1 : 1 / factor;
  const mix = keys.number("~.rope.scaling.yarn_ext_factor") ?? (type === "yarn" ? 1 : 0);
  if ((keys.number("~.rope.scaling.yarn_log_multiplier") ?? 0) !== 0) {
    throw new UnsupportedError("The forward pass does not know rope.scaling.yarn_log_multiplier.");
  }
  if (keys.list("~.rope.dimension_sections")?.some((size) => Number(size) !== 0) === true) {
    throw new UnsupportedError(
      "The forward pass does not know the rotation of multimodal models (rope.dimension_sections).",
    );
  }
  const stated =
    (keys.number("~.rope.scaling.attn_factor") ?? 1) * (keys.number("~.rope.scaling.yarn_attn_factor") ?? 1);
  return {
    kind,
    length,
    base,
    scale,
    magnitude: mix === 0 ? stated : stated * (1 - 0.1 * Math.log(scale)),
    yarn:
      mix === 0
        ? undefined
        : {
            mix,
            originalContext: originalContext(keys),
            betaFast: keys.number("~.rope.scaling.yarn_beta_fast") ?? 32,
            betaSlow: keys.number("~.rope.scaling.yarn_beta_slow") ?? 1,
          },
  };
}

function reaches(keys: Keys, { windows }: DecoderDescription): (layer: number) => number {
  if (windows === undefined) return () => 0;
  const length = keys.number("~.attention.sliding_window") ?? windows.length ?? 0;
  const stated = keys.list("~.attention.sliding_window_pattern");
  if (stated !== undefined) return (layer) => (stated[layer] ? length : 0);
  const period = keys.number("~.attention.sliding_window_pattern") ?? windows.period;
  return (layer) => (period === 0 || layer % period < period - 1 ? length : 0);
}

function routerOf(keys: Keys, { experts }: DecoderDescription): Omit<RouterSettings, "experts"> | undefined {
  if (experts === undefined) return undefined;
  const chosen = keys.number("~.expert_used_count") ?? 0;
  if (chosen < 1) return undefined;
  return { chosen, normalized: experts.normalized };
}

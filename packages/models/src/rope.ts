/**
 * Rotary positions: `rope_parameters` ↔ `rope.*` keys, and the factors of Llama 3 and longrope that GGUF stores as tensors
 * (llama.cpp, conversion/base.py and conversion/llama.py; transformers, modeling_rope_utils.py).
 */
import type { MetadataValue } from "@requant/core";
import { ConversionError, largest } from "@requant/core";
import type { ConfigDraft, ExtraTensor, ParameterRule } from "./architectures/architecture.ts";
import type { Config, RopeParameters } from "./config.ts";
import {
  field,
  flagField,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  numberField,
  textField,
} from "./json.ts";
import {
  bool,
  boolOf,
  f32,
  numberArray,
  numberOf,
  numbersOf,
  shortestFloat,
  string,
  stringOf,
  u32,
} from "./metadata-values.ts";

/** Sets one value in the draft's rope parameters. */
export function setRope(draft: ConfigDraft, key: string, value: JsonValue, layerType?: string): void {
  const current = draft.values.get("rope_parameters");
  const all: JsonObject = isJsonObject(current) ? current : {};
  if (layerType === undefined) {
    draft.values.set("rope_parameters", { ...all, [key]: value });
    return;
  }
  const own = field(all, layerType);
  draft.values.set("rope_parameters", {
    ...all,
    [layerType]: { ...(isJsonObject(own) ? own : {}), [key]: value },
  });
}

function typeOf(rope: RopeParameters): string {
  return (textField(rope, "rope_type") ?? "default").toLowerCase();
}

function scaling(
  part: string,
  read: (rope: RopeParameters, type: string) => MetadataValue | undefined,
  write: (value: MetadataValue, draft: ConfigDraft) => void,
): ParameterRule {
  return {
    key: `~.rope.scaling.${part}`,
    toGguf(config) {
      const rope = config.rope();
      return read(rope, typeOf(rope));
    },
    toHf: write,
  };
}

function setNumber(key: string): (value: MetadataValue, draft: ConfigDraft) => void {
  return (value, draft) => {
    const number = numberOf(value);
    if (number !== undefined) setRope(draft, key, shortestFloat(number));
  };
}

function yarnNumber(part: string, ...names: readonly string[]): ParameterRule {
  return scaling(
    part,
    (rope, type) => {
      const name = names.find((candidate) => numberField(rope, candidate) !== undefined);
      const value = name === undefined ? undefined : numberField(rope, name);
      return type === "yarn" && value !== undefined ? f32(value) : undefined;
    },
    setNumber(names[0] ?? ""),
  );
}

const scaledTypes = new Set(["linear", "yarn", "longrope"]);

export const ropeRules: {
  readonly scaling: readonly ParameterRule[];
  readonly sections: ParameterRule;
  readonly base: ParameterRule;
  readonly windowedBase: ParameterRule;
} = {
  scaling: [
    scaling(
      "type",
      (_, type) => {
        const own = type === "su" ? "longrope" : type;
        return scaledTypes.has(own) ? string(own) : undefined;
      },
      (value, draft) => {
        const type = stringOf(value);
        if (type !== undefined && type !== "none") setRope(draft, "rope_type", type);
      },
    ),
    scaling(
      "factor",
      (rope, type) => {
        const factor = numberField(rope, "factor");
        return (type === "linear" || type === "yarn") && factor !== undefined ? f32(factor) : undefined;
      },
      setNumber("factor"),
    ),
    scaling(
      "original_context_length",
      (rope, type) => {
        const length = numberField(rope, "original_max_position_embeddings");
        return type === "yarn" && length !== undefined ? u32(length) : undefined;
      },
      setNumber("original_max_position_embeddings"),
    ),
    scaling(
      "yarn_truncate",
      (rope, type) => {
        const truncate = flagField(rope, "truncate");
        return type === "yarn" && truncate !== undefined ? bool(truncate) : undefined;
      },
      (value, draft) => {
        const truncate = boolOf(value);
        if (truncate !== undefined) setRope(draft, "truncate", truncate);
      },
    ),
    yarnNumber("yarn_ext_factor", "extrapolation_factor"),
    yarnNumber("yarn_attn_factor", "attention_factor", "attn_factor"),
    yarnNumber("yarn_beta_fast", "beta_fast"),
    yarnNumber("yarn_beta_slow", "beta_slow"),
  ],
  sections: {
    key: "~.rope.dimension_sections",
    toGguf(config) {
      const sections = field(config.rope(), "mrope_section");
      if (!Array.isArray(sections)) return undefined;
      const numbers = sections.map((section) => (typeof section === "number" ? section : 0));
      return numberArray("i32", [...numbers, 0, 0, 0, 0].slice(0, 4));
    },
    toHf(value, draft) {
      const sections = numbersOf(value);
      if (sections !== undefined) setRope(draft, "mrope_section", sections.slice(0, 3));
    },
  },
  base: {
    key: "~.rope.freq_base",
    toGguf(config) {
      const theta = numberField(config.rope(), "rope_theta");
      return theta === undefined ? undefined : f32(theta);
    },
    toHf(value, draft) {
      const theta = numberOf(value);
      const windowed = draft.parameter("~.rope.freq_base_swa") !== undefined;
      if (theta !== undefined) {
        setRope(draft, "rope_theta", shortestFloat(theta), windowed ? "full_attention" : undefined);
      }
    },
  },
  windowedBase: {
    key: "~.rope.freq_base_swa",
    toGguf(config) {
      const all = config.get("rope_parameters");
      const own = isJsonObject(all) ? field(all, "sliding_attention") : undefined;
      const theta = isJsonObject(own) ? numberField(own, "rope_theta") : undefined;
      return theta === undefined ? undefined : f32(theta);
    },
    toHf(value, draft) {
      const theta = numberOf(value);
      if (theta !== undefined) setRope(draft, "rope_theta", shortestFloat(theta), "sliding_attention");
    },
  },
};

export interface Llama3Scaling {
  readonly factor: number;
  readonly lowFrequencyFactor: number;
  readonly highFrequencyFactor: number;
  readonly originalContextLength: number;
}

/**
 * Per pair of dimensions, how much Llama 3's scaling divides its frequency. Every operation is rounded to f32, as torch does it:
 * in f64 the factors in between miss their last bit.
 */
export function llama3Factors(theta: number, dimensionCount: number, scaling: Llama3Scaling): number[] {
  const f = Math.fround;
  const {
    factor,
    lowFrequencyFactor: low,
    highFrequencyFactor: high,
    originalContextLength: context,
  } = scaling;
  const lowWavelength = context / low;
  const highWavelength = context / high;
  const factors: number[] = [];
  for (let index = 0; index < dimensionCount; index += 2) {
    const frequency = f(1 / f(f(theta) ** f(index / dimensionCount)));
    const wavelength = f(f(2 * Math.PI) / frequency);
    if (wavelength < highWavelength) factors.push(1);
    else if (wavelength > lowWavelength) factors.push(f(factor));
    else {
      const smooth = f(f(f(context / wavelength) - low) / (high - low));
      factors.push(f(1 / f(f(f(1 - smooth) / factor) + smooth)));
    }
  }
  return factors;
}

function llama3ScalingOf(config: Config): Llama3Scaling | undefined {
  const rope = config.rope();
  if (typeOf(rope) !== "llama3") return undefined;
  return {
    factor: numberField(rope, "factor") ?? 8,
    lowFrequencyFactor: numberField(rope, "low_freq_factor") ?? 1,
    highFrequencyFactor: numberField(rope, "high_freq_factor") ?? 4,
    // llama.cpp's converter takes 8192 whatever the rope settings say; every model so far says 8192
    originalContextLength:
      config.number("original_max_position_embeddings") ??
      numberField(rope, "original_max_position_embeddings") ??
      8192,
  };
}

/** rope_freqs.weight of models with Llama 3 scaling. */
export const llama3RopeFactors: ExtraTensor = {
  name: "rope_freqs.weight",
  values(config) {
    const scaling = llama3ScalingOf(config);
    if (scaling === undefined) return undefined;
    return llama3Factors(numberField(config.rope(), "rope_theta") ?? 10000, config.headLength, scaling);
  },
};

/** What published models use (Llama 3.1, 3.2, EXAONE 4; context 8192 in all). */
const knownScalings: readonly Llama3Scaling[] = [8, 32, 16, 4, 2].flatMap((factor) =>
  [8192, 4096, 2048, 16384, 32768].map((originalContextLength) => ({
    factor,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalContextLength,
  })),
);

/**
 * Brings Llama 3 scaling back from rope_freqs.weight: the factor is the largest value; limits and context follow where the
 * published ones give these very factors, else they are assumed.
 */
export function restoreLlama3Scaling(draft: ConfigDraft, theta: number, dimensionCount: number): void {
  if (!draft.ggufNames.has("rope_freqs.weight")) return;
  const values = draft.smallTensors.get("rope_freqs.weight");
  const same = (scaling: Llama3Scaling): boolean => {
    const factors = llama3Factors(theta, dimensionCount, scaling);
    return (
      values !== undefined &&
      factors.length === values.length &&
      factors.every((factor, i) => factor === values[i])
    );
  };
  const exact = values === undefined ? undefined : knownScalings.find(same);
  const greatest = largest(Array.from(values ?? [])) ?? 8;
  const scaling: Llama3Scaling = exact ?? {
    factor: greatest,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalContextLength: 8192,
  };
  if (!(scaling.factor >= 1))
    throw new ConversionError(`rope_freqs.weight holds no rope factors (the largest is ${greatest})`);
  const rope: JsonObject = {
    rope_type: "llama3",
    factor: scaling.factor,
    low_freq_factor: scaling.lowFrequencyFactor,
    high_freq_factor: scaling.highFrequencyFactor,
    original_max_position_embeddings: scaling.originalContextLength,
  };
  for (const [key, value] of Object.entries(rope)) setRope(draft, key, value);
  if (exact === undefined) {
    const reason =
      values === undefined
        ? "rope_freqs.weight was not read"
        : "rope_freqs.weight gives the factor but not its limits";
    draft.assume("rope_scaling", rope, reason);
  }
}

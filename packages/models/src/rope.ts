/**
 * Rotary positions: `rope_parameters` ↔ `rope.*` keys (llama.cpp, conversion/base.py; transformers,
 * modeling_rope_utils.py). Factors that GGUF stores as tensors are in `rope-factors.ts`.
 */
import type { MetadataValue } from "@requant/core";
import type { ConfigDraft, ParameterRule } from "./architectures/architecture.ts";
import type { RopeParameters } from "./config.ts";
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
      (value, draft) => {
        const factor = numberOf(value);
        if (factor === undefined) return;
        // llama.cpp reads a factor without a type as a linear one
        if (factor !== 1 && draft.parameter("~.rope.scaling.type") === undefined) {
          setRope(draft, "rope_type", "linear");
        }
        setRope(draft, "factor", shortestFloat(factor));
      },
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

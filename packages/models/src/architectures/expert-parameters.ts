/** Metadata of mixtures of experts, which each family's converter writes in an order of its own. */
import { bool, boolOf } from "../metadata-values.ts";
import type { ParameterRule } from "./architecture.ts";
import { count, derived, real } from "./parameters.ts";

/** The number of experts that every token passes. */
export const sharedExpertCount = (name: string): ParameterRule => count("~.expert_shared_count", [name]);

/** The number of layers before the first mixture. */
export const leadingDenseCount = (name: string): ParameterRule =>
  count("~.leading_dense_block_count", [name]);

/** A factor of the chosen experts' weights. */
export const expertWeightsScale = (name: string): ParameterRule => real("~.expert_weights_scale", [name]);

export const sharedExpertLength = (name: string): ParameterRule =>
  count("~.expert_shared_feed_forward_length", [name]);

/** Whether the chosen experts' weights are divided by their sum. */
export function expertWeightsNorm(name: string): ParameterRule {
  return derived(
    "~.expert_weights_norm",
    (config) => {
      const normalized = config.flag(name);
      return normalized === undefined ? undefined : bool(normalized);
    },
    (value, draft) => draft.values.set(name, boolOf(value) ?? true),
  );
}

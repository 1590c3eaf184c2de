/** Stacks of experts as the single matrices that most formats pack. */
import { isCodecError } from "@requant/core";
import { architectureOfConfig, expertNames, type WeightPlan } from "@requant/models";

type Config = Parameters<typeof architectureOfConfig>[0];

/** Each matrix of a stack under Hugging Face's name, where the model's family stores experts one by one. */
export function separatedExperts(weights: readonly WeightPlan[], config: Config): readonly WeightPlan[] {
  if (weights.every(({ shape }) => shape.length !== 3)) return weights;
  const family = familyOf(config);
  return weights.flatMap((weight): readonly WeightPlan[] => {
    const { name, shape } = weight;
    const [experts = 0, rows = 0, columns = 0] = shape;
    const nameOf = family === undefined || shape.length !== 3 ? undefined : expertNames(family, name);
    if (nameOf === undefined) return [weight];
    return Array.from({ length: experts }, (_, expert) => ({
      name: nameOf(expert),
      shape: [rows, columns],
      inputs: [{ tensor: name, rows: [expert * rows, (expert + 1) * rows] as const }],
    }));
  });
}

/** Undefined for a class without a family: its experts stay stacked. */
function familyOf(config: Config): ReturnType<typeof architectureOfConfig> | undefined {
  try {
    return architectureOfConfig(config);
  } catch (error) {
    if (isCodecError(error)) return undefined;
    throw error;
  }
}

/** Weights by the names that people know: the file's own, or those of the other side of the architecture's map. */
import { FormatError, isCodecError } from "@requant/core";
import { bounded, didYouMean } from "@requant/core/text";
import { plannedSources, type WeightPlan } from "@requant/models";
import { canonicalPlans, ggufPlans, ownPlans } from "../compare/naming.ts";
import type { Model } from "../model/model.ts";

/** A weight that a name or pattern stands for. */
export interface NamedWeight {
  readonly name: string;
  readonly shape: readonly number[];
  /** Names of the stored tensors that it is made of. */
  readonly tensors: readonly string[];
}

/**
 * The weight of this name. A GGUF's weights are found under their Hugging Face names as well, and the other way around: with
 * the shape and the order of rows that they have there.
 * @throws FormatError naming the nearest names where there is none
 */
export async function namedWeight(model: Model, name: string): Promise<WeightPlan> {
  const own = ownPlans(model);
  const found = own.find((plan) => plan.name === name);
  if (found !== undefined) return found;
  const mapped = await otherPlans(model);
  const other = mapped.find((plan) => plan.name === name);
  if (other !== undefined) return other;
  const names = [...own, ...mapped].map((plan) => plan.name);
  throw new FormatError(`There is no tensor "${bounded(name)}".${didYouMean(name, names)}`, {
    path: model.name,
    tensor: name,
    hint: "The list of `tensors` names them all; `*` in a name stands for any text.",
  });
}

/**
 * The weights whose names match a pattern in which `*` stands for any text and `?` for one character; under the file's own
 * names where any match, and else under those of the other side.
 */
export async function matchingWeights(model: Model, pattern: string): Promise<NamedWeight[]> {
  const matches = globPattern(pattern);
  const own = ownPlans(model).filter(({ name }) => matches(name));
  const found = own.length > 0 ? own : (await otherPlans(model)).filter(({ name }) => matches(name));
  return found.map((plan) => ({ name: plan.name, shape: plan.shape, tensors: plannedSources(plan) }));
}

/** None where no map is known, or something that it needs is missing. */
async function otherPlans(model: Model): Promise<readonly WeightPlan[]> {
  try {
    if (model.naming !== "gguf") return await ggufPlans(model);
    const { naming, plans } = await canonicalPlans(model);
    return naming === "hf" ? plans : [];
  } catch (error) {
    if (isCodecError(error)) return [];
    throw error;
  }
}

/** Matched from the left, the last star first to give way: no more than name × pattern steps. */
function globPattern(pattern: string): (name: string) => boolean {
  return (name) => {
    let [at, inPattern, star, mark] = [0, 0, -1, 0];
    while (at < name.length) {
      const sign = pattern[inPattern];
      if (sign === "*") {
        star = inPattern++;
        mark = at;
      } else if (sign === "?" || sign === name[at]) {
        at++;
        inPattern++;
      } else if (star >= 0) {
        inPattern = star + 1;
        at = ++mark;
      } else return false;
    }
    while (pattern[inPattern] === "*") inPattern++;
    return inPattern === pattern.length;
  };
}

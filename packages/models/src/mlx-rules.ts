/**
 * Names of tensors in directories that mlx-lm wrote (mlx-lm, models/*.py, `sanitize`). Most families keep Hugging Face's
 * names; experts are stacked in one tensor for each projection, and a few families declare more (`mlxTensors`).
 */
import type { Architecture, TensorRule } from "./architectures/architecture.ts";
import { same } from "./architectures/tensors.ts";

/** One expert's projections under the names of Mixtral and its relatives, and under mlx-lm's. */
const PROJECTIONS: Readonly<Record<string, string>> = { w1: "gate_proj", w2: "down_proj", w3: "up_proj" };

const SEPARATE = /^(?<block>.+)\.experts\.\{expert\}\.(?<projection>\w+)\.weight$/;

/** Rules for the names that only mlx-lm gives. */
export function mlxRules({
  tensors,
  mlxTensors = [],
}: Pick<Architecture, "tensors" | "mlxTensors">): readonly TensorRule[] {
  return [...mlxTensors, ...tensors.flatMap(stacksOf)];
}

/** `[E, out, in]`, as GGUF has it, for each projection of separate experts. */
function stacksOf({ hf, gguf, expertCount }: TensorRule): TensorRule[] {
  if (expertCount === undefined) return [];
  return hf.flatMap((pattern, part): TensorRule[] => {
    const { block, projection = "" } = SEPARATE.exec(pattern)?.groups ?? {};
    if (block === undefined) return [];
    return [same(`${block}.switch_mlp.${PROJECTIONS[projection] ?? projection}.weight`, gguf[part] ?? "")];
  });
}

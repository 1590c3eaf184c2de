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

/**
 * The Hugging Face names of the matrices in a stack of experts that mlx-lm wrote, by the number of the expert; undefined for
 * other tensors, and for families whose checkpoints stack experts, too.
 */
export function expertNames(
  { tensors }: Pick<Architecture, "tensors">,
  name: string,
): ((expert: number) => string) | undefined {
  for (const { hf, expertCount } of tensors) {
    for (const pattern of expertCount === undefined ? [] : hf) {
      const { block = "", projection = "" } = SEPARATE.exec(pattern)?.groups ?? {};
      const [before = "", after = ""] = block.split("{layer}");
      const stacked = `.switch_mlp.${PROJECTIONS[projection] ?? projection}.weight`;
      const layer = name.endsWith(`${after}${stacked}`)
        ? /(\d{1,6})$/.exec(name.slice(0, -`${after}${stacked}`.length))
        : null;
      if (layer === null || block === "") continue;
      const start = name.slice(0, layer.index);
      if (!start.endsWith(before)) continue;
      return (expert) => `${start}${layer[1]}${after}.experts.${expert}.${projection}.weight`;
    }
  }
  return undefined;
}

/**
 * The option `like`: metadata and tokenizer come from a GGUF of the same model, tensors are found by name and checked
 * against the reference's shapes. For architectures and tokenizers that are in no table.
 */
import { ConversionError, type Metadata, type MetadataValue } from "@requant/core";
import type { Architecture, TensorRule } from "./architectures/architecture.ts";
import { architectures, architecturesNamed } from "./architectures/index.ts";
import { attention } from "./architectures/tensors.ts";
import { resolveConfig } from "./config.ts";
import { fileTypeNumber } from "./file-types.ts";
import { classNames, type HfFiles } from "./hf-files.ts";
import type { GgufModelPlan } from "./hf-to-gguf.ts";
import { stringOf, u32 } from "./metadata-values.ts";
import { note } from "./note.ts";
import { type NamedTensor, planGgufTensors, type TensorPlans } from "./plan-tensors.ts";
import { refuseImpossibleConfig } from "./plausible.ts";
import type { WeightPlan } from "./weight-plan.ts";

/** A GGUF whose metadata and tensor names are reused. */
export interface ReferenceGguf {
  readonly metadata: Metadata;
  readonly tensors: readonly NamedTensor[];
}

/** Options of `likeReference`. */
export interface LikeOptions {
  readonly fileType: string | number;
}

/** Keys that describe how the reference was stored or quantized, not the model. */
const ownToReference =
  /^(?:split\.|quantize\.|general\.(?:file_type|quantization_version|quantized_by|alignment)$)/;

/** The reference's metadata with the output's own file type. */
export function likeMetadata(reference: Metadata, fileType: string | number): Metadata {
  const metadata = new Map<string, MetadataValue>();
  for (const [key, value] of reference) {
    if (key === "general.file_type") metadata.set(key, u32(fileTypeNumber(fileType)));
    else if (key === "general.quantization_version") metadata.set(key, u32(2));
    else if (!ownToReference.test(key)) metadata.set(key, value);
  }
  if (!metadata.has("general.file_type")) metadata.set("general.file_type", u32(fileTypeNumber(fileType)));
  return metadata;
}

/** Why a family does not fit; `distance` is smaller for a better match. */
interface Mismatch {
  readonly distance: number;
  readonly message: string;
}

function mismatchOf(plans: TensorPlans, reference: ReferenceGguf): Mismatch | undefined {
  const planned = new Map(plans.tensors.map(({ name, shape }) => [name, shape]));
  for (const { name, shape } of reference.tensors) {
    const own = planned.get(name);
    if (own === undefined)
      return { distance: 1, message: `The checkpoint has no tensor for ${name} of the reference.` };
    if (own.join() !== shape.join()) {
      const message = `${name} is [${own.join(", ")}]; the reference has [${shape.join(", ")}].`;
      return { distance: 0, message };
    }
    planned.delete(name);
  }
  const [extra] = planned.keys();
  return extra === undefined ? undefined : { distance: 1, message: `${extra} is not in the reference.` };
}

/** Each Hugging Face pattern with every GGUF name that some family gives it. */
function plainRules(reference: ReferenceGguf): readonly TensorRule[] {
  const known = new Set(reference.tensors.map(({ name }) => name.replace(/^blk\.\d+\./, "blk.{layer}.")));
  const isThere = (pattern: string): boolean =>
    pattern.endsWith(".*") ? known.has(`${pattern.slice(0, -2)}.weight`) : known.has(pattern);
  const rules = new Map<string, TensorRule>();
  for (const rule of [...architectures.flatMap(({ tensors }) => tensors), ...attention(false)]) {
    const key = rule.hf.join("|");
    if (rule.plain === true && !rules.has(key) && rule.gguf.every(isThere)) rules.set(key, rule);
  }
  return [...rules.values()];
}

/** A family that only maps names, for a reference whose architecture is in no table. */
function unmapped(name: string, reference: ReferenceGguf): Architecture {
  const base = architectures[0];
  if (base === undefined) throw new ConversionError("There are no architectures.");
  return {
    name,
    classes: [],
    modelType: name,
    defaults: {},
    spellings: [],
    parameters: [],
    tensors: plainRules(reference),
    tokenizer: base.tokenizer,
  };
}

/**
 * Plans the GGUF of a checkpoint with the metadata and tensor names of a reference.
 * @throws ConversionError when a tensor has no counterpart or another shape.
 */
export function likeReference(files: HfFiles, reference: ReferenceGguf, options: LikeOptions): GgufModelPlan {
  const name = stringOf(reference.metadata.get("general.architecture"));
  if (name === undefined) throw new ConversionError("The reference has no general.architecture.");
  const wanted = classNames(files.config);
  const byName = architecturesNamed(name);
  const byClass = byName.filter(({ classes }) => classes.some((one) => wanted.includes(one)));
  const candidates = byClass.length > 0 ? byClass : byName.length > 0 ? byName : [unmapped(name, reference)];
  const mismatches: Mismatch[] = [];
  for (const architecture of candidates) {
    try {
      const config = resolveConfig(files.config, architecture);
      refuseImpossibleConfig(config.values, files.tensors);
      const plans = planGgufTensors(architecture, config, files.tensors);
      const mismatch = mismatchOf(plans, reference);
      if (mismatch === undefined) {
        return {
          architecture: name,
          metadata: likeMetadata(reference.metadata, options.fileType),
          tensors: inReferenceOrder(plans.tensors, reference),
          leftOut: plans.leftOut,
          findings:
            byName.length > 0
              ? []
              : [
                  note(
                    "assumed",
                    `The architecture ${name} is unknown: q and k rows are assumed to be in the same order.`,
                  ),
                ],
        };
      }
      mismatches.push(mismatch);
    } catch (error) {
      if (!(error instanceof ConversionError)) throw error;
      mismatches.push({ distance: 2, message: error.message });
    }
  }
  const [nearest] = mismatches.sort((a, b) => a.distance - b.distance);
  throw new ConversionError(`The checkpoint does not fit the reference. ${nearest?.message}`, {
    hint: "The reference must be a GGUF of the very same model.",
  });
}

function inReferenceOrder(tensors: readonly WeightPlan[], reference: ReferenceGguf): readonly WeightPlan[] {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return reference.tensors.flatMap(({ name }) => byName.get(name) ?? []);
}

/**
 * LoRA adapters from PEFT to GGUF and back, with the base model's config saying how its weights are stored on the other side (llama.cpp,
 * convert_lora_to_gguf.py).
 */
import {
  ConversionError,
  FormatError,
  type Metadata,
  type MetadataValue,
  UnsupportedError,
} from "@requant/core";
import { architectureOfConfig } from "../architectures/index.ts";
import { resolveConfig } from "../config.ts";
import { generalMetadata } from "../general/general-metadata.ts";
import type { HfFiles } from "../hf-files.ts";
import { f32, numberOf, shortestFloat, string, stringOf, u32 } from "../metadata-values.ts";
import { type NamedTensor, planGgufTensors, planHfTensors } from "../plan-tensors.ts";
import type { WeightPlan } from "../weight-plan.ts";
import { adapterConfigFile, peftConfig, peftFactorName } from "./peft.ts";
import { commonAlpha, type LoraAdapter, type LoraUpdate, movedUpdate, updateOf } from "./updates.ts";

/** A GGUF or a PEFT directory of an adapter that can be written. */
export interface AdapterPlan {
  readonly tensors: readonly WeightPlan[];
}

/** An adapter as GGUF. */
export interface GgufAdapterPlan extends AdapterPlan {
  readonly metadata: Metadata;
}

/** An adapter as a PEFT directory. */
export interface PeftAdapterPlan extends AdapterPlan {
  readonly files: ReadonlyMap<string, string>;
}

/** @inline */
type AdapterFiles = Pick<HfFiles, "directoryName" | "readme">;

const keys = { alpha: "adapter.lora.alpha", type: "adapter.type" } as const;
/** The weight of which GGUF stores A as [tokens, rank]. */
const EMBEDDING = "token_embd.weight";

/** Weights of the base model that an adapter changes, for the rules of a family. */
function weightsOf({ updates, whole }: LoraAdapter): NamedTensor[] {
  return [...updates, ...whole].map(({ weight, shape }) => ({ name: weight, shape }));
}

function byWeight(updates: readonly LoraUpdate[]): ReadonlyMap<string, LoraUpdate> {
  return new Map(updates.map((update) => [update.weight, update]));
}

/**
 * The adapter by the names of the base model's GGUF.
 * @param base the base model's config.json (its tensors are not read)
 * @throws ConversionError for an update that has no place in the GGUF, or no two factors there
 */
export function adapterAsGguf(adapter: LoraAdapter, base: HfFiles): LoraAdapter {
  const { architecture, config } = familyOf(base);
  const updates = byWeight(adapter.updates);
  const whole = new Map(adapter.whole.map((tensor) => [tensor.weight, tensor]));
  const plans = planGgufTensors({ ...architecture, extraTensors: [] }, config, weightsOf(adapter)).tensors;
  return sorted(plans, updates, whole);
}

/** The adapter by the base model's names in Hugging Face form. */
export function adapterAsHf(adapter: LoraAdapter, base: HfFiles): LoraAdapter {
  const { architecture, config } = familyOf(base);
  const updates = byWeight(adapter.updates);
  const whole = new Map(adapter.whole.map((tensor) => [tensor.weight, tensor]));
  return sorted(planHfTensors(architecture, config, weightsOf(adapter)).tensors, updates, whole);
}

function familyOf(base: HfFiles): {
  architecture: ReturnType<typeof architectureOfConfig>;
  config: ReturnType<typeof resolveConfig>;
} {
  const architecture = architectureOfConfig(base.config, base);
  const config = resolveConfig({ ...base.config, ...architecture.facts?.(base) }, architecture);
  return { architecture, config };
}

/** Plans of updated weights as updates, plans of whole tensors with their inputs replaced. */
function sorted(
  plans: readonly WeightPlan[],
  updates: ReadonlyMap<string, LoraUpdate>,
  whole: ReadonlyMap<string, LoraAdapter["whole"][number]>,
): LoraAdapter {
  const made: { updates: LoraUpdate[]; whole: LoraAdapter["whole"][number][] } = { updates: [], whole: [] };
  for (const plan of plans) {
    const first = plan.inputs.find((input) => "tensor" in input);
    const stored = first !== undefined && "tensor" in first ? whole.get(first.tensor) : undefined;
    if (stored === undefined || first === undefined || !("tensor" in first)) {
      made.updates.push(movedUpdate(plan, updates));
      continue;
    }
    const [input] = stored.inputs;
    if (plan.inputs.length !== 1 || input === undefined || !("tensor" in input)) {
      throw new ConversionError(`${plan.name} is only in part in the adapter.`, { tensor: plan.name });
    }
    made.whole.push({ weight: plan.name, shape: plan.shape, inputs: [{ ...first, tensor: input.tensor }] });
  }
  return made;
}

/**
 * Plans the GGUF of an adapter.
 * @param adapter by the base model's names in Hugging Face form
 * @param files of the adapter: its directory's name, and its README
 * @throws UnsupportedError for what llama.cpp cannot apply: tensors trained whole, several alphas
 */
export function loraToGguf(adapter: LoraAdapter, files: AdapterFiles, base: HfFiles): GgufAdapterPlan {
  const { architecture } = familyOf(base);
  const moved = adapterAsGguf(adapter, base);
  const other = moved.whole.find(({ weight }) => !weight.endsWith("_norm.weight"));
  if (other !== undefined) {
    throw new UnsupportedError(`The adapter holds ${other.weight} whole, which no GGUF adapter can.`, {
      tensor: other.weight,
      hint: "Merge the adapter into its base model, and convert the merged model.",
    });
  }
  const metadata = new Map<string, MetadataValue>([
    ["general.architecture", string(architecture.name)],
    ["general.type", string("adapter")],
    [keys.type, string("lora")],
  ]);
  const general = { ...files, config: {}, tensors: [] };
  const weights = moved.updates.map(({ weight, shape }) => ({ name: weight, shape }));
  for (const [key, value] of generalMetadata(general, { tensors: weights, isAdapter: true })) {
    metadata.set(key, value);
  }
  metadata.set(keys.alpha, f32(commonAlpha(moved.updates)));
  metadata.set("general.quantization_version", u32(2));
  const factors = moved.updates.flatMap((update) => ggufFactors(update));
  const whole = moved.whole.map(
    ({ weight, shape, inputs }): WeightPlan => ({ name: weight, shape, inputs, forceF32: true }),
  );
  return { metadata, tensors: [...factors, ...whole] };
}

function ggufFactors({ weight, a, b, isTransposed }: LoraUpdate): WeightPlan[] {
  if (isTransposed !== (weight === EMBEDDING)) {
    throw new UnsupportedError(
      `The update of ${weight} is ${isTransposed ? "" : "not "}transposed, which llama.cpp does not apply.`,
      {
        tensor: weight,
        hint: "Merge the adapter into its base model, and convert the merged model.",
      },
    );
  }
  return [
    { name: `${weight}.lora_a`, ...(isTransposed ? flipped(a) : a) },
    { name: `${weight}.lora_b`, ...b },
  ];
}

/** A factor that is stored transposed. */
function flipped({ shape, inputs }: LoraUpdate["a"]): LoraUpdate["a"] {
  const [input] = inputs;
  if (input === undefined || !("tensor" in input)) throw new FormatError("A transposed factor has no input.");
  const { transpose, ...rest } = input;
  return { shape: [...shape].reverse(), inputs: [transpose === true ? rest : { ...rest, transpose: true }] };
}

/**
 * The updates of a GGUF adapter, by the names of its base model's GGUF.
 * @throws FormatError when a factor or the alpha is missing
 */
export function readGgufAdapter(metadata: Metadata, tensors: readonly NamedTensor[]): LoraAdapter {
  const type = stringOf(metadata.get(keys.type)) ?? "lora";
  if (type !== "lora") {
    throw new UnsupportedError(`This adapter is of the type ${type}; only lora is read.`);
  }
  const alpha = numberOf(metadata.get(keys.alpha)) ?? 0;
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const updates: LoraUpdate[] = [];
  const whole: NamedTensor[] = [];
  for (const tensor of tensors) {
    const side = /\.lora_([ab])$/.exec(tensor.name)?.[1];
    const weight = side === undefined ? tensor.name : tensor.name.slice(0, -".lora_a".length);
    const [a, b] = [byName.get(`${weight}.lora_a`), byName.get(`${weight}.lora_b`)];
    if (side === undefined) whole.push(tensor);
    else if (a === undefined || b === undefined) {
      throw new FormatError(`The update of ${weight} has only one of its two factors.`, {
        tensor: tensor.name,
        hint: "Convert the adapter again.",
      });
    } else if (side === "a") {
      const isTransposed = weight === EMBEDDING;
      // llama.cpp takes no alpha for a factor of one
      const alphaOf = (rank: number): number => (alpha === 0 ? rank : alpha);
      updates.push(updateOf(weight, { a, b, isTransposed, flippedA: isTransposed, alpha: alphaOf }));
    }
  }
  return {
    updates,
    whole: whole.map(({ name, shape }) => ({ weight: name, shape, inputs: [{ tensor: name }] })),
  };
}

/** Plans the PEFT directory of a GGUF adapter. */
export function loraToPeft(
  metadata: Metadata,
  tensors: readonly NamedTensor[],
  base: HfFiles,
): PeftAdapterPlan {
  const moved = adapterAsHf(readGgufAdapter(metadata, tensors), base);
  const repository = stringOf(metadata.get("general.base_model.0.repo_url"));
  const name = repository?.replace(/^https:\/\/huggingface\.co\//, "") ?? null;
  const alpha = shortestFloat(commonAlpha(moved.updates));
  const factors = moved.updates.flatMap((update): WeightPlan[] => [
    { name: peftFactorName(update, "A"), ...update.a },
    { name: peftFactorName(update, "B"), ...update.b },
  ]);
  const whole = moved.whole.map(
    ({ weight, shape, inputs }): WeightPlan => ({ name: `base_model.model.${weight}`, shape, inputs }),
  );
  return {
    files: new Map([[adapterConfigFile, peftConfig(moved.updates, { alpha, base: name })]]),
    tensors: [...factors, ...whole].sort((one, other) => (one.name < other.name ? -1 : 1)),
  };
}

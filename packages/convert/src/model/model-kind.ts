/** Files that are no models: what they are, how that is seen, and what they are for. */
import type { Finding, Metadata, MetadataValue } from "@requant/core";
import { finding } from "./findings/finding.ts";

/** What files hold that are no model by themselves. */
export interface ModelKind {
  /** "a LoRA adapter". */
  readonly name: string;
  /** True where its weights may be stored as other types, in files of the same kind. */
  readonly isConverted: boolean;
  /** True where a base model says how its tensors are stored on the other side. */
  readonly hasBase?: boolean;
  /** True where its tensors have names in Hugging Face's checkpoints although it is no whole model. */
  readonly hasHfNames?: boolean;
  readonly hint: string;
}

interface GgufKind extends ModelKind {
  /** A value of `general.type` that says so. */
  readonly type: string;
  /** What only such files have. */
  shows(metadata: Metadata, names: readonly string[]): boolean;
}

const hasKey = (metadata: Metadata, prefix: string): boolean =>
  [...metadata.keys()].some((key) => key.startsWith(prefix));

const text = (value: MetadataValue | undefined): string | undefined =>
  value?.type === "string" ? value.value : undefined;

const kinds: readonly GgufKind[] = [
  {
    name: "an importance matrix",
    type: "imatrix",
    isConverted: false,
    shows: (metadata) => hasKey(metadata, "imatrix."),
    hint: "Give it to a conversion as the importance matrix (`imatrix`); it cannot be run.",
  },
  {
    name: "a LoRA adapter",
    type: "adapter",
    isConverted: true,
    hasBase: true,
    shows: (metadata, names) =>
      hasKey(metadata, "adapter.") || names.some((name) => /\.lora_[ab]$/.test(name)),
    hint: "Load it beside its base model: llama.cpp's option `lora`.",
  },
  {
    name: "a multimodal projector (mmproj)",
    type: "mmproj",
    isConverted: true,
    hasHfNames: true,
    shows: (metadata) => hasKey(metadata, "clip.") || text(metadata.get("general.architecture")) === "clip",
    hint: "Load it beside its text model: llama.cpp's option `mmproj`.",
  },
  {
    name: "a control vector",
    type: "controlvector",
    isConverted: true,
    shows: (metadata) => text(metadata.get("general.architecture")) === "controlvector",
    hint: "Load it beside its base model: llama.cpp's option `control-vector`.",
  },
  {
    name: "a vocabulary without weights",
    type: "vocab",
    isConverted: false,
    shows: (metadata, names) => names.length === 0 && metadata.has("tokenizer.ggml.tokens"),
    hint: "Use it for tokenizing only, or take the whole model: it has no weights to run.",
  },
];

/** What the tensors of an adapter are named after (PEFT, tuners: `prefix` of each model.py): LoRA, IA3, LoHa, LoKr, OFT, VeRA. */
const PEFT_UPDATE = /\.(?:lora|ia3|hada|lokr|oft|boft|vera)_/;
/** Such a tensor, or a module that was trained whole beside them. */
const PEFT_TENSOR = /^base_model\.model\.|\.(?:lora|ia3|hada|lokr|oft|boft|vera)_/;

const peft: ModelKind = {
  name: "a LoRA adapter (PEFT)",
  isConverted: true,
  hasBase: true,
  hint: "Load it beside its base model, which adapter_config.json names, or merge it into that model first.",
};

/** What a GGUF is, where it is no model by itself. */
export function ggufKind(metadata: Metadata, names: readonly string[]): ModelKind | undefined {
  const stated = text(metadata.get("general.type"));
  return (
    kinds.find(({ shows }) => shows(metadata, names)) ??
    // a file may call itself something else than it is: a model has an embedding
    (names.includes("token_embd.weight") ? undefined : kinds.find(({ type }) => type === stated))
  );
}

/** What safetensors hold, where they are no model by themselves. */
export function safetensorsKind(names: readonly string[]): ModelKind | undefined {
  // a merged model that is still wrapped has the prefix, but no updates
  const isAdapter = names.some((name) => PEFT_UPDATE.test(name));
  return isAdapter && names.every((name) => PEFT_TENSOR.test(name)) ? peft : undefined;
}

/** The same for people: a warning to those who copy or convert it, an error to those who run it. */
export function kindFindings(kind: ModelKind | undefined): Finding[] {
  if (kind === undefined) return [];
  const message = `This is ${kind.name}, not a model that can be run by itself.`;
  return [{ ...finding("not-a-model", message, {}, kind.hint), severity: "warning" }];
}

/** GGUF files that are no models: what they are, how that is seen, and what they are for. */
import type { Finding, Metadata, MetadataValue } from "@requant/core";
import { finding } from "../../model/findings/finding.ts";

interface GgufKind {
  /** "a LoRA adapter". */
  readonly name: string;
  /** A value of `general.type` that says so. */
  readonly type: string;
  /** What only such files have. */
  shows(metadata: Metadata, names: readonly string[]): boolean;
  readonly hint: string;
}

const hasKey = (metadata: Metadata, prefix: string): boolean =>
  [...metadata.keys()].some((key) => key.startsWith(prefix));

const text = (value: MetadataValue | undefined): string | undefined =>
  value?.type === "string" ? value.value : undefined;

const kinds: readonly GgufKind[] = [
  {
    name: "an importance matrix",
    type: "imatrix",
    shows: (metadata) => hasKey(metadata, "imatrix."),
    hint: "Give it to a conversion as the importance matrix (`imatrix`); it cannot be run.",
  },
  {
    name: "a LoRA adapter",
    type: "adapter",
    shows: (metadata, names) =>
      hasKey(metadata, "adapter.") || names.some((name) => /\.lora_[ab]$/.test(name)),
    hint: "Load it beside its base model: llama.cpp's option `lora`.",
  },
  {
    name: "a multimodal projector (mmproj)",
    type: "mmproj",
    shows: (metadata) => hasKey(metadata, "clip.") || text(metadata.get("general.architecture")) === "clip",
    hint: "Load it beside its text model: llama.cpp's option `mmproj`.",
  },
  {
    name: "a control vector",
    type: "controlvector",
    shows: (metadata) => text(metadata.get("general.architecture")) === "controlvector",
    hint: "Load it beside its base model: llama.cpp's option `control-vector`.",
  },
  {
    name: "a vocabulary without weights",
    type: "vocab",
    shows: (metadata, names) => names.length === 0 && metadata.has("tokenizer.ggml.tokens"),
    hint: "Use it for tokenizing only, or take the whole model: it has no weights to run.",
  },
];

/** What the file is, where it is no model by itself. */
export function ggufKindFindings(metadata: Metadata, names: readonly string[]): Finding[] {
  const stated = text(metadata.get("general.type"));
  const found =
    kinds.find(({ shows }) => shows(metadata, names)) ??
    // a file may call itself something else than it is: a model has an embedding
    (names.includes("token_embd.weight") ? undefined : kinds.find(({ type }) => type === stated));
  return found === undefined
    ? []
    : [
        finding(
          "not-a-model",
          `The file is ${found.name}, not a model that can be run by itself.`,
          {},
          found.hint,
        ),
      ];
}

/** LoRA adapters from PEFT to GGUF and back: what their tensors are named after and how they are stored follows from the base model. */
import { ConversionError, UsageError } from "@requant/core";
import {
  adapterConfigFile,
  type HfFiles,
  type LoraAdapter,
  loraToGguf,
  loraToPeft,
  type PeftAdapterPlan,
  readGgufAdapter,
  readHfFiles,
  readPeftAdapter,
} from "@requant/models";
import { folderName } from "../model/folder-name.ts";
import { ggufAsHf } from "./gguf-as-hf.ts";
import type { GgufDraft } from "./gguf-types.ts";
import type { PlanSource } from "./plan.ts";

/** An adapter with its base model. */
export type AdapterSource = PlanSource & { readonly base: PlanSource };

/** Whether a source is an adapter that goes to the other naming, with the help of its base model. */
export function hasBase(source: PlanSource): source is AdapterSource {
  return source.base !== undefined;
}

/** The config.json of the base model, made from its metadata where it is a GGUF. */
export function filesOfBase(base: PlanSource): HfFiles {
  if (base.hf !== undefined) return base.hf;
  if (base.gguf === undefined) {
    throw new UsageError("The base model has no config.json, so nothing says how its weights are stored.", {
      path: base.name,
      hint: "Give its Hugging Face directory, or its GGUF.",
    });
  }
  const { files, tensors } = ggufAsHf(base, "F32");
  const listed = tensors.map(({ name, shape }) => ({ name, shape, encoding: "F32" }));
  return readHfFiles(folderName(base.name), files, listed);
}

/** The updates of an adapter, by the names of its own side. */
export function adapterOf({ gguf, tensors, sideFiles }: PlanSource): LoraAdapter {
  return gguf === undefined
    ? readPeftAdapter(sideFiles?.get(adapterConfigFile), tensors)
    : readGgufAdapter(gguf.metadata, tensors);
}

/** A GGUF of a PEFT adapter, in the type of the whole file. */
export function adapterDraft(
  source: AdapterSource,
  type: string | undefined,
): Omit<GgufDraft, "weights"> & {
  readonly weights: ReturnType<typeof loraToGguf>["tensors"];
} {
  if (type === undefined) {
    throw new ConversionError(
      "An adapter is not stored in this type: llama-quantize does not take adapters.",
      {
        path: source.name,
        hint: "Choose gguf:f32, gguf:f16, gguf:bf16 or gguf:q8_0.",
      },
    );
  }
  const readme = source.sideFiles?.get("README.md");
  const files = {
    directoryName: folderName(source.name),
    readme: readme === undefined ? undefined : new TextDecoder().decode(readme),
  };
  const { metadata, tensors } = loraToGguf(adapterOf(source), files, filesOfBase(source.base));
  return { metadata, weights: tensors, leftOut: [], findings: [] };
}

/** A PEFT directory of a GGUF adapter. */
export function adapterAsPeft({ gguf, tensors, base }: AdapterSource): PeftAdapterPlan {
  return loraToPeft(gguf?.metadata ?? new Map(), tensors, filesOfBase(base));
}

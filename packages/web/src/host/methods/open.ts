import { type Inspection, inspectModel } from "@requant/convert";
import type { OpenRequest } from "../../open/open-request.ts";
import type { Control } from "../control.ts";
import { type Choice, locate } from "../locations.ts";
import { closeNumbered, modelNumbered, openNumbered } from "../models.ts";

/** A model as the page knows it. */
export interface OpenedModel extends Inspection {
  readonly id: number;
  /** GGUF's own names, or those of Hugging Face. */
  readonly naming: "gguf" | "hf";
}

/** An open model, or those among which a person must choose. */
export type Opened =
  | { readonly kind: "open"; readonly model: OpenedModel }
  | { readonly kind: "choices"; readonly choices: readonly Choice[] };

/** Opens a model by its header and small parts. */
export async function openSource(request: OpenRequest, { signal }: Control): Promise<Opened> {
  const located = await locate(request, signal);
  if (located.kind === "choices") return located;
  const id = await openNumbered(located.location, signal);
  try {
    const model = modelNumbered(id);
    const inspection = await inspectModel(model, { signal });
    return { kind: "open", model: { ...inspection, id, naming: model.naming } };
  } catch (error) {
    await closeNumbered(id);
    throw error;
  }
}

export async function closeModel({ id }: { readonly id: number }): Promise<void> {
  await closeNumbered(id);
}

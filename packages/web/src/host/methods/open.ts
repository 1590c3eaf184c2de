import { type Inspection, inspectModel } from "@requant/convert";
import type { OpenRequest } from "../../open/open-request.ts";
import type { Control } from "../control.ts";
import { locationOf } from "../locations.ts";
import { closeNumbered, modelNumbered, openNumbered } from "../models.ts";

/** A model as the page knows it. */
export interface OpenedModel extends Inspection {
  readonly id: number;
  /** GGUF's own names, or those of Hugging Face. */
  readonly naming: "gguf" | "hf";
}

/** Opens a model by its header and small parts. */
export async function openSource(request: OpenRequest, { signal }: Control): Promise<OpenedModel> {
  const id = await openNumbered(locationOf(request, signal), signal);
  try {
    const model = modelNumbered(id);
    return { ...(await inspectModel(model, { signal })), id, naming: model.naming };
  } catch (error) {
    await closeNumbered(id);
    throw error;
  }
}

export async function closeModel({ id }: { readonly id: number }): Promise<void> {
  await closeNumbered(id);
}

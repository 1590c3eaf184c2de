import { FormatError } from "@requant/core";
import { findModel } from "./find.ts";
import type { Model, ModelLocation, OpenModelOptions } from "./model.ts";
import type { SourceFormat } from "./source-format.ts";
import { sources } from "./sources.ts";

/**
 * Opens a model of any format in the list: reads headers, no weights. The caller closes it.
 * @throws IoError when it is not there; FormatError, LimitError or UnsupportedError when it is no model that we read.
 */
export async function openModel(
  location: ModelLocation,
  options: OpenModelOptions = {},
  list: readonly SourceFormat[] = sources,
): Promise<Model> {
  const found = await findModel(location);
  try {
    for (const source of list) {
      if (await source.recognises(found)) {
        const model = await source.open(found, options);
        // a worker knows only our own formats, and opens as it does by default
        return sources.includes(source)
          ? { ...model, origin: { ...location, limits: options.limits } }
          : model;
      }
    }
  } finally {
    await found.close();
  }
  throw new FormatError("This is no model file that Requant knows.", {
    path: found.file === undefined ? found.store.name : `${found.store.name}/${found.file}`,
    hint: "Models are .gguf and .safetensors files, and Hugging Face directories.",
    reason: "no-model",
  });
}

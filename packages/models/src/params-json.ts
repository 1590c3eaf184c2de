/** Mistral's params.json, which stands in the place of config.json beside consolidated.safetensors. */
import { isJsonArray, type JsonObject, type JsonValue } from "./json.ts";

/** Stands for a class, which such a checkpoint does not name. */
export const PARAMS_CLASS = "MistralParams";

/** params.json as the config of a model. */
export function configOfParams(params: JsonObject): JsonObject {
  const { vocab_size: tokens, ...rest } = params;
  // Llama 2 says -1: as many as the tokenizer has
  return { ...(tokens === -1 ? rest : params), architectures: [PARAMS_CLASS] };
}

/** Whether a config was made of params.json. */
export function isParams(values: ReadonlyMap<string, JsonValue>): boolean {
  const classes = values.get("architectures");
  return isJsonArray(classes) && classes[0] === PARAMS_CLASS;
}

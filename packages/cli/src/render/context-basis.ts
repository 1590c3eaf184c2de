/** Where the memory of a context comes from. */
import type { ContextCache, ContextMemory } from "@requant/convert";
import { byteQuantity } from "./quantity.ts";

/** Where the number comes from, one sentence. */
export function contextBasis({ bytesPerToken, kv }: ContextMemory, cache: ContextCache | undefined): string {
  const perToken = `${byteQuantity(bytesPerToken)} a token as ${kv}`;
  if (cache === undefined) {
    return `${perToken}, estimated from the number of parameters as for Llama 3 and Qwen2.5; models without grouped-query attention take several times as much. Give the model itself for its own number.`;
  }
  const { layerCount, headCount, keyLength, valueLength } = cache;
  const heads = headCount / layerCount;
  const each = Number.isInteger(heads) ? `${layerCount} layers × ${heads}` : `${headCount} in all layers`;
  const length = valueLength === 0 ? `${keyLength}` : `(${keyLength} + ${valueLength})`;
  return `${perToken}: ${each} key-value heads × ${length} numbers. Layers with a sliding window, or without attention, take less.`;
}

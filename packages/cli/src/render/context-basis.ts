/** What the memory of a context is made of, in words. */
import type { ContextMemory } from "@requant/convert";
import { byteQuantity, counted } from "./quantity.ts";

/** Where the number comes from, in sentences. */
export function contextBasis(context: ContextMemory): string {
  const { bytesPerToken, kv, from } = context;
  const perToken = `${byteQuantity(bytesPerToken)} a token as ${kv}`;
  if (from === "estimate") {
    return `${perToken}, estimated from the number of parameters as for Llama 3 and Qwen2.5; models without grouped-query attention take several times as much. Give the model itself for its own number.`;
  }
  const parts = contextParts(context).map(([label, value]) => `${label} ${value}`);
  return `${parts.join(", ")}. ${perToken}: ${layerWords(context)}.`;
}

/** The buffers of a context, each with its bytes. */
export function contextParts({
  cache,
  state,
  output,
  compute,
  computeFrom,
}: ContextMemory): readonly (readonly [label: string, value: string])[] {
  const atLeast = computeFrom === "outputs" ? "at least " : "";
  return [
    ["keys and values", byteQuantity(cache)],
    ...(state > 0 ? ([["state", byteQuantity(state)]] as const) : []),
    ["logits", byteQuantity(output)],
    ["computation", `${atLeast}${byteQuantity(compute)}`],
  ];
}

function kept(layers: number): string {
  return `${counted(layers, "layer")} ${layers === 1 ? "keeps" : "keep"}`;
}

/** Which layers keep what. */
export function layerWords({ layers }: ContextMemory): string {
  if (layers === undefined) return "estimated";
  const { whole, windowed, state, window } = layers;
  const words = [
    ...(whole > 0 ? [`${kept(whole)} the whole context`] : []),
    ...(windowed > 0 ? [`${kept(windowed)} a window of ${window} tokens`] : []),
    ...(state > 0 ? [`${kept(state)} a state`] : []),
  ];
  return words.length === 0 ? "no layer keeps anything" : words.join(", ");
}

/** Whether all of it fits, and how much is left or missing. */
export function fitWords(total: number, limit: number): string {
  const rest = limit - total;
  return rest >= 0
    ? `fits into ${byteQuantity(limit)}; ${byteQuantity(rest)} are left`
    : `does not fit into ${byteQuantity(limit)}: ${byteQuantity(-rest)} too much; choose lists the formats that fit`;
}

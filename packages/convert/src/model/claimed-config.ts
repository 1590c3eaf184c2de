/** Which format a configuration speaks of, and its settings as the reader of a format takes them. */
import { type ErrorPlace, UnsupportedError } from "@requant/core";
import type { ClaimedConfig, FormatMethod, WeightFormat } from "@requant/core/format";
import { methodName, type QuantizationConfig } from "./quantization-config.ts";

type Json = Readonly<Record<string, unknown>>;

/** The configuration, and the format that it speaks of: the first whose methods say so. */
export function claimedConfig(
  config: QuantizationConfig | undefined,
  formats: readonly WeightFormat[],
): ClaimedConfig | undefined {
  if (config === undefined) return undefined;
  const { method, json } = config;
  const format = formats.find((one) =>
    methodsOf(one, method).some(({ describes }) => describes?.(json) ?? true),
  );
  return { method, format: format?.name, settings: json };
}

/** What a format knows about a method: nothing, or one entry. */
export function methodsOf({ methods }: WeightFormat, method: string | undefined): readonly FormatMethod[] {
  return method === undefined ? [] : methods.filter(({ names }) => names.includes(method));
}

/**
 * The configuration as the format's own reader takes it; undefined where there is none, or where the tensors tell more.
 * @throws UnsupportedError where its method does not say how this format's weights are stored: it is never ignored
 */
export function settingsFor(
  format: WeightFormat,
  formats: readonly WeightFormat[],
  config: QuantizationConfig | undefined,
  place: ErrorPlace,
): Json | undefined {
  if (config === undefined) return undefined;
  const { method, json } = config;
  if (method === undefined) return json;
  const [own] = methodsOf(format, method);
  if (own !== undefined) return own.settings?.(json, place) ?? json;
  const isKnown = formats.some((one) => methodsOf(one, method).length > 0);
  if (isKnown && format.selfDescribing === true) return undefined;
  throw new UnsupportedError(
    `The tensors have the names and shapes of ${format.name}, and the configuration says ${methodName(config)}, which does not tell how they are read.`,
    {
      ...place,
      hint: "Start from the float model, if its publisher offers one. Where the configuration is not that of the tensors, take it from the original model.",
    },
  );
}

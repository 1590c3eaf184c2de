/** Which methods of a configuration say how the weights of which format are stored, and how their settings map. */
import { type ErrorPlace, UnsupportedError } from "@requant/core";
import { autoRoundAwq, autoRoundFormat, autoRoundGptq, autoRoundKeys } from "./auto-round.ts";
import { methodName, type QuantizationConfig } from "./quantization-config.ts";

type Json = Readonly<Record<string, unknown>>;

interface Dialect {
  /** Spellings of `quant_method`. */
  readonly methods: readonly string[];
  /** The format that the configuration speaks of. */
  readonly format: (json: Json) => string;
  /** By format: the configuration that its own reader takes. */
  readonly settings: Readonly<Record<string, (json: Json, place: ErrorPlace) => Json>>;
  /** Keys that the mapping reads, or that change no value, where the method is not the format's own. */
  readonly keys?: readonly string[];
}

const same = (json: Json): Json => json;

/** AWQ stores zero points in one way only, so another method's numbers are enough. */
function awqFromGptq(json: Json): Json {
  return {
    quant_method: "awq",
    bits: json["bits"],
    group_size: json["group_size"],
    ...(typeof json["sym"] === "boolean" ? { zero_point: !json["sym"] } : {}),
  };
}

const DIALECTS: readonly Dialect[] = [
  { methods: ["gptq"], format: () => "gptq", settings: { gptq: same, awq: awqFromGptq } },
  { methods: ["marlin"], format: () => "gptq", settings: { gptq: same } },
  { methods: ["awq"], format: () => "awq", settings: { awq: same } },
  { methods: ["exl2"], format: () => "exl2", settings: { exl2: same } },
  {
    methods: ["compressed-tensors", "sparseml"],
    format: () => "compressed-tensors",
    settings: { "compressed-tensors": same },
  },
  {
    methods: ["auto-round", "intel/auto-round"],
    format: autoRoundFormat,
    settings: { gptq: autoRoundGptq, awq: autoRoundAwq },
    keys: autoRoundKeys,
  },
];

/** Formats whose tensors tell everything that their reader needs. */
const SELF_DESCRIBING: ReadonlySet<string> = new Set(["exl2", "compressed-tensors"]);

/** A method that no dialect names speaks of the format that has its name, if there is one. */
function dialectOf(method: string | undefined, formats: readonly string[] = []): Dialect | undefined {
  if (method === undefined) return undefined;
  const known = DIALECTS.find(({ methods }) => methods.includes(method));
  if (known !== undefined || !formats.includes(method)) return known;
  return { methods: [method], format: () => method, settings: { [method]: same } };
}

/** Keys that a method has beside those of the format. */
export function dialectKeys(method: string | undefined): readonly string[] {
  return dialectOf(method)?.keys ?? [];
}

/** The format that a configuration speaks of; undefined where its method is not known. `formats`: the names of all. */
export function claimedFormat(
  config: QuantizationConfig | undefined,
  formats: readonly string[],
): string | undefined {
  return config === undefined ? undefined : dialectOf(config.method, formats)?.format(config.json);
}

/**
 * The configuration as the format's own reader takes it; undefined where there is none, or where the tensors tell more.
 * @throws UnsupportedError where its method does not say how this format's weights are stored: it is never ignored
 */
export function settingsFor(
  format: string,
  config: QuantizationConfig | undefined,
  place: ErrorPlace,
): Json | undefined {
  if (config === undefined) return undefined;
  if (config.method === undefined) return config.json;
  const dialect = dialectOf(config.method, [format]);
  const map = dialect?.settings[format];
  if (map !== undefined) return map(config.json, place);
  if (dialect !== undefined && SELF_DESCRIBING.has(format)) return undefined;
  throw new UnsupportedError(
    `the tensors have the names and shapes of ${format}, and the configuration says ${methodName(config)}, which does not tell how they are read`,
    { ...place, hint: "Take the quantization configuration from the original model." },
  );
}

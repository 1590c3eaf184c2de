/**
 * How the vectors of all tokens become one, and the classes of a classifier (llama.cpp, conversion/base.py
 * `_try_set_pooling_type`, conversion/bert.py; sentence-transformers, models/Pooling.py).
 */
import type { Metadata } from "@requant/core";
import { UnsupportedError } from "@requant/core";
import { quoted } from "@requant/core/text";
import type { Config } from "../config.ts";
import { flagField, isJsonObject, type JsonObject, textField } from "../json.ts";
import { numberOf, string, stringArray, stringOf, stringsOf, u32 } from "../metadata-values.ts";
import type { Architecture, ConfigDraft, ParameterRule } from "./architecture.ts";
import { derived } from "./parameters.ts";

const modes: readonly { readonly flag: string; readonly mode: string; readonly type: number }[] = [
  { flag: "pooling_mode_mean_tokens", mode: "mean", type: 1 },
  { flag: "pooling_mode_cls_token", mode: "cls", type: 2 },
  { flag: "pooling_mode_lasttoken", mode: "lasttoken", type: 3 },
];

/** The pooling type in which a classifier's score is the result. */
export const RANK = 4;

/** From the pooling module of sentence-transformers. */
export const pooling: ParameterRule = {
  key: "~.pooling_type",
  toGguf(_, { pooling: json }) {
    const found =
      modes.find(({ flag }) => flagField(json, flag) === true) ??
      modes.find(({ mode }) => textField(json, "pooling_mode") === mode);
    return found === undefined ? undefined : u32(found.type);
  },
};

/** `classifier_pooling` of config.json. */
export const classifierPooling: ParameterRule = derived(
  "~.classifier.pooling_type",
  (config) => {
    const name = config.get("classifier_pooling");
    if (name === undefined || name === null) return undefined;
    const found = modes.find(({ mode, type }) => mode === name && type < 3);
    if (found !== undefined) return u32(found.type);
    throw new UnsupportedError(
      `The config.json gives ${quoted(name)} as classifier_pooling; a GGUF can say "mean" and "cls".`,
      { path: "config.json", hint: "Give a GGUF of the same model as `like`: its metadata is taken." },
    );
  },
  (value, draft) => {
    const found = modes.find(({ type }) => type === numberOf(value));
    if (found !== undefined) draft.values.set("classifier_pooling", found.mode);
  },
);

/** `classifier_activation` of config.json. */
export const classifierActivation: ParameterRule = derived(
  "~.classifier.activation",
  (config) => {
    const name = config.text("classifier_activation");
    return name === undefined ? undefined : string(name);
  },
  (value, draft) => {
    const name = stringOf(value);
    if (name !== undefined) draft.values.set("classifier_activation", name);
  },
);

/**
 * The names of a classifier's classes. Undefined where there are none, and for the two that transformers makes up for a
 * model without names.
 */
export function classLabels(config: Config): readonly string[] | undefined {
  const json = config.get("id2label");
  const count = config.get("num_labels");
  const made = typeof count === "number" ? Array.from({ length: count }, (_, id) => `LABEL_${id}`) : [];
  const labels = isJsonObject(json)
    ? Object.entries(json)
        .sort(([a], [b]) => Number(a) - Number(b))
        .map(([, label]) => (typeof label === "string" ? label : ""))
    : made;
  const isMadeUp = labels.length === 2 && labels[0] === "LABEL_0";
  return labels.length === 0 || isMadeUp ? undefined : labels;
}

export const outputLabels: ParameterRule = derived(
  "~.classifier.output_labels",
  (config) => {
    const labels = classLabels(config);
    return labels === undefined ? undefined : stringArray(labels);
  },
  (value, draft) => {
    const labels = stringsOf(value) ?? [];
    draft.values.set("id2label", Object.fromEntries(labels.map((label, id) => [String(id), label])));
    draft.values.set("label2id", Object.fromEntries(labels.map((label, id) => [label, id])));
  },
);

/** Names the classifier's class in config.json where the GGUF has a classifier. */
export function nameClassifier(draft: ConfigDraft, className: string): void {
  if (draft.ggufNames.has("cls.output.weight") || draft.ggufNames.has("cls.weight"))
    draft.values.set("architectures", [className]);
}

/** The files with which sentence-transformers reads the pooling of a GGUF; none where the GGUF does not say it. */
export function poolingFiles(
  metadata: Metadata,
  { name, parameters }: Pick<Architecture, "name" | "parameters">,
): ReadonlyMap<string, string> {
  // some families have one way of pooling, whatever the files say
  const isStated = parameters.findLast(({ key }) => key === pooling.key) === pooling;
  const type = numberOf(metadata.get(`${name}.pooling_type`));
  if (!isStated || !modes.some((mode) => mode.type === type)) return new Map();
  const length = numberOf(metadata.get(`${name}.embedding_length`)) ?? 0;
  const flags = Object.fromEntries(modes.map((mode) => [mode.flag, mode.type === type]));
  const module = (index: number, path: string, name: string): JsonObject => ({
    idx: index,
    name: String(index),
    path,
    type: `sentence_transformers.models.${name}`,
  });
  const text = (value: JsonObject | readonly JsonObject[]): string => `${JSON.stringify(value, null, 2)}\n`;
  return new Map([
    ["modules.json", text([module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling")])],
    ["1_Pooling/config.json", text({ word_embedding_dimension: length, ...flags })],
  ]);
}

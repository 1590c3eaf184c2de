/** The `general.*` keys that describe a model, in the order in which llama.cpp's converter writes them (gguf-py, metadata.py). */
import type { MetadataValue } from "@requant/core";
import type { HfFiles } from "../hf-files.ts";
import { numberField, textField } from "../json.ts";
import { f32, i32, string, stringArray, u32 } from "../metadata-values.ts";
import { type CardValue, readModelCard } from "./model-card.ts";
import { type NamedSize, type NameParts, nameParts, titleOf } from "./model-name.ts";
import { countParameters, sizeLabel } from "./size-label.ts";

/** generation_config.json → `general.sampling.*`. */
export const samplingKeys: readonly {
  readonly config: string;
  readonly key: string;
  readonly type: "i32" | "f32" | "string";
}[] = [
  { config: "sequence", key: "general.sampling.sequence", type: "string" },
  { config: "top_k", key: "general.sampling.top_k", type: "i32" },
  { config: "top_p", key: "general.sampling.top_p", type: "f32" },
  { config: "min_p", key: "general.sampling.min_p", type: "f32" },
  { config: "xtc_probability", key: "general.sampling.xtc_probability", type: "f32" },
  { config: "xtc_threshold", key: "general.sampling.xtc_threshold", type: "f32" },
  { config: "temperature", key: "general.sampling.temp", type: "f32" },
  { config: "penalty_last_n", key: "general.sampling.penalty_last_n", type: "i32" },
  { config: "repetition_penalty", key: "general.sampling.penalty_repeat", type: "f32" },
  { config: "mirostat", key: "general.sampling.mirostat", type: "i32" },
  { config: "mirostat_tau", key: "general.sampling.mirostat_tau", type: "f32" },
  { config: "mirostat_eta", key: "general.sampling.mirostat_eta", type: "f32" },
];

function sampling(files: DescribedModel): [string, MetadataValue][] {
  const values: [string, MetadataValue][] = [];
  for (const { config, key, type } of samplingKeys) {
    const number = numberField(files.generationConfig, config);
    const text = textField(files.generationConfig, config);
    if (type === "string" && text !== undefined) values.push([key, string(text)]);
    else if (type === "i32" && number !== undefined && Number.isInteger(number))
      values.push([key, i32(number)]);
    else if (type === "f32" && number !== undefined) values.push([key, f32(number)]);
  }
  return values;
}

type Card = ReadonlyMap<string, CardValue>;

function cardText(card: Card, ...keys: readonly string[]): string | undefined {
  for (const key of keys) {
    const value = card.get(key);
    if (typeof value === "string") return value;
    if (key === "license" && value !== undefined) return value.join(",");
  }
  return undefined;
}

function cardList(card: Card, ...keys: readonly string[]): string[] {
  return keys.flatMap((key) => {
    const value = card.get(key);
    return value === undefined ? [] : typeof value === "string" ? [value] : value;
  });
}

/** Repositories that the model comes from, or was trained on: `<prefix>.count`, `<prefix>.N.name` and so on. */
function origins(prefix: string, ids: readonly string[], size: NamedSize): [string, MetadataValue][] {
  const values: [string, MetadataValue][] = [[`${prefix}.count`, u32(ids.length)]];
  ids.forEach((id, index) => {
    const isUrl = /^(?:https?|ssh):\/\//.test(id);
    const hubId = isUrl ? /^https?:\/\/huggingface\.co\/([^/]+\/[^/]+)$/.exec(id)?.[1] : id;
    const parts: NameParts = hubId === undefined ? {} : nameParts(hubId, size);
    const put = (name: string, value: string | undefined): void => {
      if (value !== undefined) values.push([`${prefix}.${index}.${name}`, string(value)]);
    };
    put("name", parts.fullName === undefined ? undefined : titleOf(parts.fullName));
    put("version", parts.version);
    put("organization", parts.organization === undefined ? undefined : titleOf(parts.organization));
    const hubUrl =
      parts.organization === undefined || parts.fullName === undefined
        ? undefined
        : `https://huggingface.co/${parts.organization}/${parts.fullName}`;
    put("repo_url", isUrl ? id : hubUrl);
  });
  return values;
}

/** The name in the config, unless it is a path of the author's computer. */
function configName(files: DescribedModel): string | undefined {
  const name = textField(files.config, "_name_or_path");
  return name !== undefined && name !== "" && name.split("/").length <= 2 ? name : undefined;
}

export interface GeneralOptions {
  /** Overrides general.name. */
  readonly name?: string | undefined;
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** True for an adapter, which need not change all weights of its model: `tensors` are those that it changes. */
  readonly isAdapter?: boolean;
}

/** The files that say what a model is called and where it comes from. */
export type DescribedModel = Pick<HfFiles, "directoryName" | "config" | "generationConfig" | "readme">;

/** All `general.*` keys between general.type and the hyperparameters. */
export function generalMetadata(files: DescribedModel, options: GeneralOptions): [string, MetadataValue][] {
  const counts = countParameters(options.tensors);
  const size: NamedSize = { parameterCount: counts.total, isAtLeast: options.isAdapter === true };
  const card: Card = files.readme === undefined ? new Map() : readModelCard(files.readme);
  const ids = [configName(files), files.directoryName].filter((id): id is string => id !== undefined);
  const guesses = ids.map((id) => nameParts(id, size));
  const guess = (part: keyof NameParts): string | undefined =>
    guesses.map((parts) => parts[part]).find((value) => value !== undefined);
  const titled = (value: string | undefined): string | undefined =>
    value === undefined ? undefined : titleOf(value);

  const values = sampling(files);
  const add = (found: readonly [string, MetadataValue][]): void => {
    for (const entry of found) values.push(entry);
  };
  const put = (key: string, value: string | undefined): void => {
    if (value !== undefined) values.push([`general.${key}`, string(value)]);
  };
  put("name", options.name ?? cardText(card, "name", "model_name") ?? titled(guess("fullName")));
  put("author", cardText(card, "author", "model_author", "model_creator"));
  put("version", cardText(card, "version", "model_version") ?? guess("version"));
  put("organization", cardText(card, "organization", "model_organization") ?? titled(guess("organization")));
  put("finetune", cardText(card, "finetune", "model_finetune") ?? guess("finetune"));
  put("basename", cardText(card, "basename", "model_basename", "model_type") ?? guess("basename"));
  put("description", cardText(card, "description", "model_description"));
  put(
    "size_label",
    cardText(card, "size_label", "model_size_label") ??
      guess("sizeLabel") ??
      (size.isAtLeast ? undefined : sizeLabel(counts)),
  );
  put("license", cardText(card, "license"));
  put("license.name", cardText(card, "license_name"));
  put("license.link", cardText(card, "license_link"));
  put("source.url", cardText(card, "url", "model_url"));
  put("source.doi", cardText(card, "doi", "model_doi"));
  put("source.uuid", cardText(card, "uuid", "model_uuid"));
  put("source.repo_url", cardText(card, "repo_url", "model_repo_url"));
  const firstOf = (...keys: readonly string[]): string | undefined => keys.find((key) => card.has(key));
  const base = firstOf("base_model", "base_models", "base_model_sources");
  if (base !== undefined) add(origins("general.base_model", cardList(card, base), size));
  const datasets = firstOf("datasets", "dataset", "dataset_sources");
  if (datasets !== undefined) add(origins("general.dataset", cardList(card, datasets), size));
  const tags = cardList(card, "tags", "pipeline_tag");
  if (tags.length > 0) values.push(["general.tags", stringArray(tags)]);
  const languages = cardList(card, "languages", "language");
  if (languages.length > 0) values.push(["general.languages", stringArray(languages)]);
  return values;
}

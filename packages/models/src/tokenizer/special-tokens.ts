/** Special ids, whether they are added to a text, and chat templates (gguf-py, vocab.py `SpecialVocab`). */
import { type Finding, FormatError, type MetadataValue } from "@requant/core";
import { quoted } from "@requant/core/text";
import type { HfFiles } from "../hf-files.ts";
import {
  arrayField,
  field,
  flagField,
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  objectField,
  textField,
} from "../json.ts";
import { bool, string, stringArray, u32 } from "../metadata-values.ts";
import { note } from "../note.ts";

/** Roles in the order in which they are looked for; their names in config files are `<role>_token` and `<role>_token_id`. */
export const tokenRoles: readonly string[] = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"];

/** Metadata keys of the roles; the spelling of "seperator" is GGUF's own. CLS has no key: llama.cpp uses BOS for it. */
export const roleKeys: Readonly<Record<string, string>> = {
  bos: "tokenizer.ggml.bos_token_id",
  eos: "tokenizer.ggml.eos_token_id",
  unk: "tokenizer.ggml.unknown_token_id",
  sep: "tokenizer.ggml.seperator_token_id",
  pad: "tokenizer.ggml.padding_token_id",
  mask: "tokenizer.ggml.mask_token_id",
  eot: "tokenizer.ggml.eot_token_id",
  eom: "tokenizer.ggml.eom_token_id",
  prefix: "tokenizer.ggml.prefix_token_id",
  suffix: "tokenizer.ggml.suffix_token_id",
  middle: "tokenizer.ggml.middle_token_id",
};

export interface SpecialTokens {
  readonly ids: Map<string, number>;
  readonly added: Map<string, boolean>;
}

/** Text of `<role>_token`: a string, or an object with `content`. */
export function tokenText(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" ? value : isJsonObject(value) ? textField(value, "content") : undefined;
}

/** The facts about each role, collected while the files are read. */
interface Roles {
  /** `<role>_token` of tokenizer_config.json, unchanged at first; the post-processor may change it. */
  readonly tokens: Map<string, JsonValue>;
  readonly added: Map<string, boolean>;
  readonly order: string[];
  /**
   * Whether there is a tokenizer_config.json with keys: without it, tokens of other files are only used for comparisons.
   */
  readonly hasConfig: boolean;
}

const specialId = (piece: JsonValue | undefined): string | undefined => {
  const id = isJsonObject(piece) ? textField(objectField(piece, "SpecialToken"), "id") : undefined;
  return id === "" ? undefined : id;
};
const sequenceId = (piece: JsonValue | undefined): string | undefined =>
  isJsonObject(piece) ? textField(objectField(piece, "Sequence"), "id") : undefined;

/** As in Python, an empty text or object is false and names no token. */
function isNamed({ tokens }: Roles, role: string): boolean {
  const token = tokens.get(role);
  return isJsonObject(token) ? Object.keys(token).length > 0 : Boolean(token);
}

/** gguf-py compares the values of the files: a token given as an object never equals a text. */
function isToken({ tokens }: Roles, text: string | undefined, ...names: readonly string[]): boolean {
  return text !== undefined && names.some((role) => tokens.get(role) === text);
}

/** The tokens before and after a single sequence. */
function readSingle(
  single: readonly JsonValue[],
  roles: Roles,
): { readonly first: string | undefined; readonly last: string | undefined } {
  if (single.length < 2) return { first: undefined, last: undefined };
  const { tokens, added, order, hasConfig } = roles;
  const first = specialId(single[0]);
  const last = specialId(single.at(-1));
  if (first !== undefined) {
    if (!hasConfig) tokens.set("bos", first);
    else if (!isToken(roles, first, "bos", "cls")) {
      // the template names tokens that tokenizer_config.json lacks
      for (const role of ["bos", "cls"]) if (!isNamed(roles, role)) tokens.set(role, first);
    }
    added.set("bos", isToken(roles, first, "bos", "cls"));
  }
  if (last !== undefined) {
    if (hasConfig && !isToken(roles, last, "eos")) {
      // the token that ended a turn so far keeps a role of its own
      const free = ["eot", "eom"].find((role) => !order.includes(role));
      if (free !== undefined) {
        order.push(free);
        tokens.set(free, tokens.get("eos") ?? null);
      }
    }
    tokens.set("eos", last);
    added.set("eos", true);
  }
  return { first, last };
}

/** Reads the tokens around and between the sequences from `single` and `pair` of a TemplateProcessing. */
function readTemplate(processor: JsonObject, roles: Roles): void {
  const { tokens, added, hasConfig } = roles;
  const { first, last } = readSingle(arrayField(processor, "single") ?? [], roles);
  const pair = arrayField(processor, "pair") ?? [];
  const start = first !== undefined && specialId(pair[0]) === first ? 1 : 0;
  const end = last !== undefined && specialId(pair.at(-1)) === last ? pair.length - 1 : pair.length;
  const inner = pair.slice(start, end);
  if (sequenceId(inner[0]) !== "A" || sequenceId(inner.at(-1)) !== "B" || inner.length < 3) return;
  const between = inner.slice(1, -1);
  const second = between.length === 2 ? specialId(between[1]) : undefined;
  const separates =
    (last === undefined && isToken(roles, specialId(between[0]), "sep", "eos")) ||
    isToken(roles, second, "sep", "eos");
  added.set("sep", separates);
  if (separates && hasConfig && !isNamed(roles, "sep")) tokens.set("sep", tokens.get("eos") ?? null);
}

/** BERT's pair of tokens as RoBERTa writes it: both are always added. */
function readRoberta(processor: JsonObject, roles: Roles): void {
  const { tokens, added, hasConfig } = roles;
  for (const role of ["bos", "eos", "sep"]) added.set(role, true);
  if (!hasConfig) return;
  for (const [role, stand] of standIns) {
    if (isNamed(roles, stand)) continue;
    const given = arrayField(processor, stand);
    tokens.set(stand, (given === undefined ? tokens.get(role) : given[0]) ?? null);
  }
}

/** Nothing is added, unless another processor has said otherwise. */
function readByteLevel(_: JsonObject, { added }: Roles): void {
  for (const role of ["bos", "eos"]) if (!added.has(role)) added.set(role, false);
}

/** Readers by type. BertProcessing has none, because gguf-py ignores it. */
const processorReaders: Readonly<Record<string, (processor: JsonObject, roles: Roles) => void>> = {
  ByteLevel: readByteLevel,
  RobertaProcessing: readRoberta,
  TemplateProcessing: readTemplate,
};

function readPostProcessor(tokenizer: JsonObject, roles: Roles): void {
  const outer = objectField(tokenizer, "post_processor");
  if (outer === undefined) return;
  for (const processor of arrayField(outer, "processors") ?? [outer]) {
    if (!isJsonObject(processor)) continue;
    const type = textField(processor, "type") ?? "";
    if (Object.hasOwn(processorReaders, type)) processorReaders[type]?.(processor, roles);
  }
}

/** Roles, and the roles that replace them where a tokenizer has only BERT's names. */
const standIns = [
  ["bos", "cls"],
  ["eos", "sep"],
] as const;

/**
 * Finds the special tokens of a checkpoint, in the order in which they are written.
 * @param vocabularySize ids from this number on are ignored; undefined accepts all.
 */
export function readSpecialTokens(
  files: HfFiles,
  vocabularySize: number | undefined,
  wanted: readonly string[] = tokenRoles,
): SpecialTokens {
  const { tokenizerJson, tokenizerConfig = {} } = files;
  const hasConfig = Object.keys(tokenizerConfig).length > 0;
  const roles: Roles = { tokens: new Map(), added: new Map(), order: [...wanted], hasConfig };
  for (const role of [...tokenRoles, "eot", "eom"]) {
    const token = field(tokenizerConfig, `${role}_token`);
    if (token !== undefined) roles.tokens.set(role, token);
  }
  const ids = new Map<string, number>();
  const setId = (role: string, id: JsonValue | undefined): void => {
    if (typeof id !== "number" || !Number.isInteger(id)) return;
    if (id < 0)
      throw new FormatError(`The ${role} token has the id ${id}; ids are not negative.`, {
        path: "config.json",
      });
    if (!ids.has(role) && (vocabularySize === undefined || id < vocabularySize)) ids.set(role, id);
  };
  if (tokenizerJson !== undefined) {
    for (const [role, stand] of standIns) {
      const token = roles.tokens.get(stand);
      if (!isNamed(roles, role) && isNamed(roles, stand) && token !== undefined)
        roles.tokens.set(role, token);
    }
    readPostProcessor(tokenizerJson, roles);
  }
  if (hasConfig) {
    const addedTokens = (arrayField(tokenizerJson, "added_tokens") ?? []).filter(isJsonObject);
    for (const role of roles.order) {
      const add = flagField(tokenizerConfig, `add_${role}_token`);
      if (add !== undefined && !roles.added.has(role)) roles.added.set(role, add);
      const text = tokenText(roles.tokens.get(role));
      const token =
        text === undefined ? undefined : addedTokens.find((one) => field(one, "content") === text);
      if (token !== undefined) setId(role, field(token, "id"));
    }
  }
  const nested = objectField(files.config, "text_config");
  for (const role of roles.order) {
    setId(role, field(files.config, `${role}_token_id`) ?? field(nested, `${role}_token_id`));
  }
  return { ids, added: roles.added };
}

/** Keys of the special tokens, in the order found. */
export function specialTokenMetadata({ ids, added }: SpecialTokens): [string, MetadataValue][] {
  const values: [string, MetadataValue][] = [];
  for (const [role, id] of ids) {
    const key = roleKeys[role];
    if (key !== undefined) values.push([key, u32(id)]);
  }
  for (const [role, value] of added) {
    if (role === "bos" || role === "eos" || role === "sep") {
      values.push([`tokenizer.ggml.add_${role}_token`, bool(value)]);
    }
  }
  return values;
}

interface NamedTemplate {
  readonly name: string;
  readonly template: string;
}

function templatesOf(value: JsonValue | undefined): readonly NamedTemplate[] {
  if (typeof value === "string") return [{ name: "default", template: value }];
  if (!isJsonArray(value)) return [];
  return value.flatMap((choice) => {
    const name = isJsonObject(choice) ? textField(choice, "name") : undefined;
    const template = isJsonObject(choice) ? textField(choice, "template") : undefined;
    return name === undefined || template === undefined ? [] : [{ name, template }];
  });
}

/** All chat templates of a checkpoint: tokenizer_config.json's, else chat_template.jinja, else chat_template.json. */
export function chatTemplates(files: HfFiles): readonly NamedTemplate[] {
  if (files.tokenizerConfig === undefined) return [];
  const own = field(files.tokenizerConfig, "chat_template");
  if (own !== undefined) return templatesOf(own);
  if (files.chatTemplate !== undefined) {
    const more = [...(files.additionalChatTemplates ?? [])].map(([name, template]) => ({ name, template }));
    return [{ name: "default", template: files.chatTemplate }, ...more];
  }
  return templatesOf(field(files.chatTemplateJson, "chat_template"));
}

/** The name that a template has in a GGUF. */
function keyName(name: string): string {
  return name.replace(/[^A-Za-z0-9]/g, "_");
}

/** `tokenizer.chat_template.<name>`, the list of names, then the default. Of several with one name the first is kept. */
export function chatTemplateMetadata(files: HfFiles): [string, MetadataValue][] {
  const values: [string, MetadataValue][] = [];
  const kept = new Map<string, string>();
  for (const { name, template } of chatTemplates(files)) {
    const safe = keyName(name);
    if (safe !== "" && !kept.has(safe)) kept.set(safe, template);
  }
  const standard = kept.get("default");
  kept.delete("default");
  const names = [...kept.keys()];
  for (const [name, template] of kept) values.push([`tokenizer.chat_template.${name}`, string(template)]);
  if (names.length > 0) values.push(["tokenizer.chat_templates", stringArray(names)]);
  if (standard !== undefined) values.push(["tokenizer.chat_template", string(standard)]);
  return values;
}

/** Names the templates that a GGUF has no place for: those without a name, and those whose name becomes another's. */
export function lostTemplateFindings(files: HfFiles): Finding[] {
  const owners = new Map<string, string>();
  return chatTemplates(files).flatMap(({ name }): Finding[] => {
    const safe = keyName(name);
    const owner = owners.get(safe);
    if (safe !== "" && owner === undefined) {
      owners.set(safe, name);
      return [];
    }
    const why =
      owner === undefined
        ? "it has no name"
        : `a GGUF calls it ${quoted(safe)}, as it calls the template ${quoted(owner)}`;
    return [note("not-stored", `The chat template ${quoted(name)} is not written: ${why}.`)];
  });
}

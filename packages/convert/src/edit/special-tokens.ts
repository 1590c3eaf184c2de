/** Ids of special tokens, found by the token's text. */
import { type Metadata, type MetadataValue, UsageError } from "@requant/core";
import { bounded, quoted } from "@requant/core/text";
import { nearNames } from "./near.ts";

const TOKENS = "tokenizer.ggml.tokens";
const TYPES = "tokenizer.ggml.token_type";
/** Control and user-defined tokens (llama.h, llama_token_type). */
const SPECIAL: readonly number[] = [3, 4];
const MOST_SHOWN = 5;

/**
 * The id of the token with this text, as the value of a key such as `tokenizer.ggml.eos_token_id`.
 * @throws UsageError where no token, or more than one, has the text; the refusal names tokens that are near
 */
export function specialTokenId(metadata: Metadata, key: string, token: string): MetadataValue {
  const tokens = metadata.get(TOKENS);
  if (tokens?.type !== "array" || tokens.elementType !== "string") {
    throw new UsageError(`The file has no list of tokens to look ${quoted(token)} up in.`, {
      hint: `Write the id: ${key}=u32:ID.`,
    });
  }
  const present = metadata.get(key);
  const ids = idsOf(tokens.value, token);
  const [id, second] = ids;
  if (id === undefined) throw notThere(metadata, tokens.value, key, token);
  if (second !== undefined) {
    throw new UsageError(
      `${ids.length} tokens have the text ${quoted(token)}: ${ids.slice(0, MOST_SHOWN).join(", ")}.`,
      { hint: `Write the id of the one that is meant: ${key}=ID.` },
    );
  }
  if (present !== undefined && present.type !== "u32") {
    throw new UsageError(`${key} is ${bounded(present.type)} in the file; an id is u32.`, {
      hint: `Write the type to change it: ${key}=u32:${id}.`,
    });
  }
  return { type: "u32", value: id };
}

function idsOf(tokens: readonly string[], wanted: string): number[] {
  const ids: number[] = [];
  for (let id = 0; id < tokens.length; id++) if (tokens[id] === wanted) ids.push(id);
  return ids;
}

function notThere(metadata: Metadata, tokens: readonly string[], key: string, token: string): UsageError {
  const special = specialTokens(metadata, tokens);
  const nearSpecial = nearNames(token, special);
  const near = nearSpecial.length > 0 ? nearSpecial : nearNames(token, tokens);
  const shown = (list: readonly string[]): string => list.map((name) => quoted(name, 80)).join(", ");
  const more = special.length > MOST_SHOWN ? ` and ${special.length - MOST_SHOWN} more` : "";
  const others =
    special.length === 0
      ? ""
      : ` The special tokens of the file are ${shown(special.slice(0, MOST_SHOWN))}${more}.`;
  const isId = /^\d+$/.test(token) ? ` To set the id itself, write ${key}=${token}.` : "";
  return new UsageError(`None of the ${tokens.length} tokens has the text ${quoted(token)}.`, {
    hint: [near.length > 0 ? `Near are ${shown(near)}.` : `No token is near.${others}`, isId].join(""),
  });
}

function specialTokens(metadata: Metadata, tokens: readonly string[]): string[] {
  const types = metadata.get(TYPES);
  if (types?.type !== "array") return [];
  return tokens.filter((_, id) => SPECIAL.includes(Number(types.value[id])));
}

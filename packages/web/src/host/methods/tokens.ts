import { UsageError } from "@requant/core";
import type { HostTokenizer } from "../opened-tokenizers.ts";
import { tokenizerNumbered } from "../tokenizers.ts";

/** One token. */
export interface Token {
  readonly id: number;
  /** As the vocabulary writes it; undefined for a number that has no token. */
  readonly piece: string | undefined;
  /** As text. */
  readonly text: string;
}

export interface Tokens {
  readonly vocabularySize: number;
  readonly tokens: readonly Token[];
  /** Of all tokens that were found. */
  readonly count: number;
}

/** Longest text that is cut into tokens, in UTF-16 units. */
const LONGEST_TEXT = 100_000;
/** Most tokens that one look shows. */
const MOST_SHOWN = 2_000;

interface TextRequest {
  readonly id: number;
  readonly text: string;
}

/** Cuts a text into tokens, without a beginning or end of its own. */
export async function tokensOfText({ id, text }: TextRequest): Promise<Tokens> {
  if (text.length > LONGEST_TEXT) {
    throw new UsageError(`The text has ${text.length} characters; at most ${LONGEST_TEXT} are cut at once.`, {
      hint: "Give a part of it.",
    });
  }
  const own = await tokenizerNumbered(id);
  const { ids } = own.tokenizer.encode(text, { add_special_tokens: false });
  return shown(own, ids);
}

/** Tokens by number, and tokens whose piece or text contains the words. */
export async function findTokens({ id, text }: TextRequest): Promise<Tokens> {
  const own = await tokenizerNumbered(id);
  const words = text.trim();
  if (/^\d+(?:[\s,]+\d+)*$/.test(words)) return shown(own, words.split(/[\s,]+/).map(Number));
  const found: number[] = [];
  for (const [index, piece] of own.pieces.entries()) if (piece?.includes(text) === true) found.push(index);
  return shown(own, found);
}

function shown(own: HostTokenizer, ids: readonly number[]): Tokens {
  return {
    vocabularySize: own.pieces.length,
    count: ids.length,
    tokens: ids.slice(0, MOST_SHOWN).map((id) => ({ id, piece: own.pieces[id], text: textOf(own, id) })),
  };
}

/** A token that is a part of a character has no text of its own. */
function textOf({ tokenizer, pieces }: HostTokenizer, id: number): string {
  return pieces[id] === undefined ? "" : tokenizer.decode([id], { skip_special_tokens: false });
}

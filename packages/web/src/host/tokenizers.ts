/** The tokenizers of open models, each read once. */
import { Tokenizer } from "@huggingface/tokenizers";
import { modelTokenizer } from "@requant/convert";
import { UnsupportedError } from "@requant/core";
import { modelNumbered } from "./models.ts";
import { type HostTokenizer, keptTokenizer } from "./opened-tokenizers.ts";

/** @throws ConversionError for a model without a tokenizer, UnsupportedError for one of a kind that the library does not have */
export function tokenizerNumbered(id: number): Promise<HostTokenizer> {
  return keptTokenizer(id, () => openTokenizer(id));
}

async function openTokenizer(id: number): Promise<HostTokenizer> {
  const { tokenizer, config } = await modelTokenizer(modelNumbered(id));
  try {
    return { tokenizer: new Tokenizer(tokenizer, config), pieces: piecesOf(tokenizer) };
  } catch (cause) {
    throw new UnsupportedError("The page cannot use a tokenizer of this kind.", {
      cause,
      hint: "Use a tool of the model's own makers to tokenize text.",
    });
  }
}

/** tokenizer.json lists a vocabulary as an object of numbers, or as an array of pieces and scores. */
function piecesOf(json: Readonly<Record<string, unknown>>): (string | undefined)[] {
  const pieces: (string | undefined)[] = [];
  const { vocab } = (json["model"] ?? {}) as { readonly vocab?: unknown };
  if (Array.isArray(vocab)) {
    for (const [index, entry] of vocab.entries())
      pieces[index] = Array.isArray(entry) ? String(entry[0]) : undefined;
  } else if (typeof vocab === "object" && vocab !== null) {
    for (const [piece, number] of Object.entries(vocab)) if (isIndex(number)) pieces[number] = piece;
  }
  const added: unknown = json["added_tokens"];
  for (const entry of Array.isArray(added) ? added : []) {
    const { id, content } = (entry ?? {}) as { readonly id?: unknown; readonly content?: unknown };
    if (isIndex(id) && typeof content === "string") pieces[id] = content;
  }
  return pieces;
}

/** More tokens than any vocabulary has. */
const MOST_TOKENS = 2 ** 24;

const isIndex = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value < MOST_TOKENS;

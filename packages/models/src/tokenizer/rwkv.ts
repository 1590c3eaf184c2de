/**
 * The vocabulary of RWKV's World models: rwkv_vocab_v20230424.txt has a line for each token, its id, the token as a Python
 * literal, and its length in bytes (BlinkDL/RWKV-LM). GGUF spells each token as Python spells bytes (llama.cpp,
 * conversion/base.py, `_set_vocab_rwkv_world`).
 */
import { FormatError } from "@requant/core";
import { quoted } from "@requant/core/text";
import type { Config } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import { readSpecialTokens } from "./special-tokens.ts";
import { tokenTypes } from "./vocabulary.ts";
import type { Written } from "./written.ts";

export const rwkvPath = "rwkv_vocab_v20230424.txt";

const shortEscapes: Readonly<Record<string, number>> = { t: 9, n: 10, r: 13 };
const hexLengths: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** The bytes of a Python literal: a text, or bytes. */
function bytesOfLiteral(literal: string): Uint8Array | undefined {
  const isBytes = literal.startsWith("b");
  const body = isBytes ? literal.slice(1) : literal;
  const quote = body[0];
  if (body.length < 2 || (quote !== "'" && quote !== '"') || !body.endsWith(quote)) return undefined;
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  const put = (codePoint: number): void => {
    if (isBytes) bytes.push(codePoint);
    else for (const byte of encoder.encode(String.fromCodePoint(codePoint))) bytes.push(byte);
  };
  const inner = [...body.slice(1, -1)];
  for (let at = 0; at < inner.length; at++) {
    const character = inner[at] ?? "";
    if (character !== "\\") {
      put(character.codePointAt(0) ?? 0);
      continue;
    }
    const kind = inner[++at] ?? "";
    const digits = hexLengths[kind];
    if (digits === undefined) {
      put(shortEscapes[kind] ?? kind.codePointAt(0) ?? 0);
      continue;
    }
    const code = inner.slice(at + 1, at + 1 + digits).join("");
    const value = Number(`0x${code}`);
    if (code.length < digits || !(value <= (isBytes ? 0xff : 0x10ffff))) return undefined;
    put(value);
    at += digits;
  }
  return Uint8Array.from(bytes);
}

/** Bytes as Python spells them, without the quotes around them. */
export function spellPythonBytes(bytes: Uint8Array): string {
  const hasSingle = bytes.includes(0x27);
  const isDoubleQuoted = hasSingle && !bytes.includes(0x22);
  const named = Object.entries(shortEscapes);
  let text = "";
  for (const byte of bytes) {
    const short = named.find(([, code]) => code === byte)?.[0];
    if (short !== undefined) text += `\\${short}`;
    else if (byte === 0x5c || (byte === 0x27 && !isDoubleQuoted)) text += `\\${String.fromCharCode(byte)}`;
    else if (byte < 0x20 || byte >= 0x7f) text += `\\x${byte.toString(16).padStart(2, "0")}`;
    else text += String.fromCharCode(byte);
  }
  return text;
}

/** Tokens from id 1 on; 0 ends a text. */
export function parseRwkvVocabulary(text: string): readonly Uint8Array[] {
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    const first = line.indexOf(" ");
    const last = line.trimEnd().lastIndexOf(" ");
    const bytes = first < last ? bytesOfLiteral(line.slice(first + 1, last)) : undefined;
    if (bytes === undefined || bytes.length !== Number(line.slice(last + 1))) {
      throw new FormatError(
        `${rwkvPath} has the line ${quoted(line)}; an id, a token and its length were expected.`,
        { path: rwkvPath, hint: `It is line ${index + 1}. Take the file from the original model.` },
      );
    }
    return [bytes];
  });
}

export function writeRwkv(files: HfFiles, config: Config): Written {
  const own = parseRwkvVocabulary(files.rwkvVocabulary ?? "");
  const size = config.count("vocab_size") ?? 65536;
  if (size <= own.length || size > own.length + 1_000_000) {
    throw new FormatError(`The config.json says ${size} tokens; ${rwkvPath} has ${own.length}.`, {
      path: "config.json",
    });
  }
  const tokens = ["<s>", ...own.map(spellPythonBytes)];
  const { normal, control, unused } = tokenTypes;
  const types: number[] = tokens.map((_, id) => (id === 0 ? control : normal));
  for (let id = tokens.length; id < size; id++) {
    tokens.push(`[PAD${id}]`);
    types.push(unused);
  }
  const special = readSpecialTokens(files, undefined);
  // the ids of the published vocabulary: two line feeds end a turn
  special.ids.set("bos", 0).set("eos", 0);
  if (!special.ids.has("eot")) special.ids.set("eot", 261);
  return { model: "rwkv", pre: undefined, vocabulary: { tokens, types }, special };
}

/** The file of a GGUF's tokens. */
export function rwkvVocabularyFile(
  tokens: readonly { readonly text: string; readonly type: number }[],
): string {
  return tokens
    .flatMap(({ text, type }, id) => {
      if (type !== tokenTypes.normal) return [];
      const quote = text.replaceAll("\\'", "").includes("'") ? '"' : "'";
      const literal = `b${quote}${text}${quote}`;
      return [`${id} ${literal} ${bytesOfLiteral(literal)?.length ?? 0}\n`];
    })
    .join("");
}

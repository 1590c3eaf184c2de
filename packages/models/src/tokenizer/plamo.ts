/**
 * PLaMo 2's tokenizer.jsonl: a line for each token with its text, its score and its type (llama.cpp, conversion/base.py,
 * `_set_vocab_plamo`).
 */
import { FormatError } from "@requant/core";
import { quoted } from "@requant/core/text";
import type { Config } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import { field, isJsonArray, type JsonValue } from "../json.ts";
import { bool, numberArray, string, stringArray, u32 } from "../metadata-values.ts";
import {
  chatTemplateMetadata,
  readSpecialTokens,
  roleKeys,
  specialTokenMetadata,
  tokenText,
} from "./special-tokens.ts";
import { tokenTypes } from "./vocabulary.ts";
import type { Written } from "./written.ts";

export const plamoPath = "tokenizer.jsonl";

const typesByName: Readonly<Record<string, number>> = {
  UNKNOWN: tokenTypes.unknown,
  CONTROL: tokenTypes.control,
  BYTE: tokenTypes.byte,
};

interface PlamoToken {
  readonly text: string;
  readonly score: number;
  readonly type: number;
}

function parseLine(line: string): PlamoToken | undefined {
  let value: JsonValue;
  try {
    value = JSON.parse(line) as JsonValue;
  } catch {
    return undefined;
  }
  const [text, score, type] = isJsonArray(value) ? value : [];
  if (typeof text !== "string" || typeof score !== "number") return undefined;
  const named = typeof type === "string" ? typesByName[type] : undefined;
  const isMark = text.startsWith("<|plamo:") && text.endsWith("|>");
  return { text, score, type: named ?? (isMark ? tokenTypes.control : tokenTypes.normal) };
}

function parseTokens(text: string): readonly PlamoToken[] {
  return text.split("\n").flatMap((line) => {
    if (line.trim() === "") return [];
    const token = parseLine(line);
    if (token !== undefined) return [token];
    throw new FormatError(
      `${plamoPath} has the line ${quoted(line)}; a list of a text, a score and a type was expected.`,
      { path: plamoPath },
    );
  });
}

export function writePlamo(files: HfFiles, config: Config): Written {
  const own = parseTokens(files.plamoTokens ?? "");
  const padding = (config.count("vocab_size") ?? own.length) - own.length;
  if (padding > 1_000_000) {
    throw new FormatError(`The config.json says ${padding} tokens more than ${plamoPath} has.`, {
      path: "config.json",
    });
  }
  const more = Array.from({ length: Math.max(padding, 0) }, (_, index) => ({
    text: `[PAD${index + 1}]`,
    score: -1000,
    type: tokenTypes.unused,
  }));
  const all: readonly PlamoToken[] = [...own, ...more];
  const tokens = all.map(({ text }) => text);
  const scores = all.map(({ score }) => score);
  const types = all.map(({ type }) => type);
  const roles = ["bos", "eos", "pad", "sep", "unk"].flatMap((role) => {
    const text = tokenText(field(files.tokenizerConfig, `${role}_token`));
    const id = text === undefined ? -1 : tokens.indexOf(text);
    return id < 0 ? [] : [[roleKeys[role] ?? "", u32(id)] as const];
  });
  const special = readSpecialTokens(files, undefined);
  return {
    keys: [
      ["tokenizer.ggml.model", string("plamo2")],
      ["tokenizer.ggml.pre", string("default")],
      ["tokenizer.ggml.tokens", stringArray(tokens)],
      ["tokenizer.ggml.scores", numberArray("f32", scores)],
      ["tokenizer.ggml.token_type", numberArray("i32", types)],
      ...roles,
      // the mark of an operation ends an answer
      ["tokenizer.ggml.eot_token_id", u32(4)],
      ["tokenizer.ggml.add_space_prefix", bool(false)],
      ...specialTokenMetadata(special),
      ...chatTemplateMetadata(files),
    ],
    model: "plamo2",
    pre: "default",
    vocabulary: { tokens, types, scores },
    special,
  };
}

/** The file of a GGUF's tokens. */
export function plamoTokensFile(tokens: readonly PlamoToken[]): string {
  const names = new Map(Object.entries(typesByName).map(([name, type]) => [type, name]));
  return tokens
    .filter(({ type }) => type !== tokenTypes.unused)
    .map(({ text, score, type }) => {
      const line = [text, score, names.get(type) ?? "NORMAL", null, null, null, null];
      return `${JSON.stringify(line)}\n`;
    })
    .join("");
}

import type { Command } from "commander";

/** Options of `metadata set` that take the text of a special token, and the keys that its id goes to (llama.cpp, src/llama-arch.cpp). */
export const specialTokens: readonly (readonly [option: string, key: string, what: string])[] = [
  ["bos", "tokenizer.ggml.bos_token_id", "begins a text"],
  ["eos", "tokenizer.ggml.eos_token_id", "ends a text"],
  ["eot", "tokenizer.ggml.eot_token_id", "ends a turn"],
  ["eom", "tokenizer.ggml.eom_token_id", "ends a message"],
  ["unk", "tokenizer.ggml.unknown_token_id", "stands for an unknown token"],
  // so spelled in GGUF
  ["sep", "tokenizer.ggml.seperator_token_id", "separates texts"],
  ["pad", "tokenizer.ggml.padding_token_id", "fills a batch"],
  ["cls", "tokenizer.ggml.cls_token_id", "stands for a whole text"],
  ["mask", "tokenizer.ggml.mask_token_id", "hides a token"],
  ["fim-pre", "tokenizer.ggml.fim_pre_token_id", "stands before the text before a gap"],
  ["fim-suf", "tokenizer.ggml.fim_suf_token_id", "stands before the text behind a gap"],
  ["fim-mid", "tokenizer.ggml.fim_mid_token_id", "stands before what fills a gap"],
  ["fim-pad", "tokenizer.ggml.fim_pad_token_id", "fills a gap"],
  ["fim-rep", "tokenizer.ggml.fim_rep_token_id", "begins a repository"],
  ["fim-sep", "tokenizer.ggml.fim_sep_token_id", "separates files"],
];

/** What `metadata` does with a file. */
export const metadataActions = ["list", "get", "set", "unset"] as const;

/** The name under which commander keeps an option: `--fim-pre` is `fimPre`. */
export function optionName(option: string): string {
  return option.replace(/-[a-z]/g, (mark) => mark.slice(1).toUpperCase());
}

/** The options of `metadata`, and its help. */
export function metadataOptions(command: Command): Command {
  command
    .option("--dry-run", "set, unset: print what would change, write nothing")
    .option("--force", "set, unset: write also what readers would refuse, or a file with other hard links")
    .addHelpText("after", help);
  for (const [option, , what] of specialTokens) {
    command.option(`--${option} <token>`, `set: the token that ${what}, by its text`);
  }
  return command;
}

const help = `
Actions:
  list              every key; --json cuts arrays of more than 256 elements to {"length", "first"}
  get KEY…          whole values
  set KEY=VALUE…    a key that is there, or a well-known one, keeps its type; else KEY=TYPE:VALUE
  unset KEY…        removes keys

TYPE is u8 i8 u16 i16 u32 i32 u64 i64 f32 f64 bool string, or one with [] for a JSON array.
VALUE @FILE is what the file holds, @@text the text "@text". Integers are exact.
JSON output: integers beyond 2^53, NaN and infinities are strings; set takes them so in arrays.
`;

/** Directories with their tokenizers in files of several kinds, and the output of llama.cpp's converter for them. */
import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { type HfFiles, readHfFiles } from "../src/index.ts";
import type { ManifestKey } from "./golden.ts";

export interface TokenizerVector {
  readonly directoryName: string;
  readonly files: Readonly<Record<string, string>>;
  readonly binaryFiles: Readonly<Record<string, string>>;
  readonly metadata: readonly ManifestKey[];
  readonly tokenization: readonly { readonly text: string; readonly ids: number[] }[];
}

const folder = new URL("./vectors/tokenizers/", import.meta.url);

export function readTokenizerVector(name: string): TokenizerVector {
  return JSON.parse(gunzipSync(readFileSync(new URL(`${name}.json.gz`, folder))).toString("utf8"));
}

export function filesOf(vector: TokenizerVector, without: readonly string[] = []): HfFiles {
  const contents = new Map<string, string | Uint8Array>(Object.entries(vector.files));
  for (const [name, base64] of Object.entries(vector.binaryFiles))
    contents.set(name, Buffer.from(base64, "base64"));
  for (const name of without) contents.delete(name);
  return readHfFiles(vector.directoryName, contents, []);
}

export const tokenizerVectorNames: readonly string[] = readdirSync(folder).map((file) =>
  file.replace(".json.gz", ""),
);

/** Keys in which Requant differs from the converter, and why. */
export const deliberate: Readonly<Record<string, readonly string[]>> = {
  // the converter uses a template of its own collection; Requant uses chat_template.jinja or none
  tekken: ["tokenizer.chat_template"],
  // the converter does not write Qwen's normalization, without which composed characters get other ids
  qwen: ["tokenizer.ggml.normalizer.nfc"],
  qwen3_slow: ["tokenizer.ggml.normalizer.nfc"],
  // the name was replaced in both runs, by this one in the older run
  bert: ["tokenizer.ggml.pre"],
  // since version 0.7.0, which arch/ was made with, the converter reads these off a ByteLevel post-processor
  templates: ["tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token"],
};

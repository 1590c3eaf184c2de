/** One family's vector: a Hugging Face directory without weights, and the output of llama.cpp's converter for it. */
import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { type HfFiles, readHfFiles } from "../src/index.ts";
import { asOpened, type ManifestKey } from "./golden.ts";

export interface Vector {
  readonly class: string;
  /** True where config.json was written after a published one, and not by transformers. */
  readonly configByHand?: true;
  readonly directoryName: string;
  readonly files: Readonly<Record<string, string>>;
  readonly tokenizerModel: string | null;
  readonly tensors: readonly (readonly [name: string, shape: number[], dtype: string, file: string])[];
  readonly fileType: string;
  readonly metadata: readonly ManifestKey[];
  readonly metadataF32: readonly ManifestKey[];
  readonly gguf: readonly (readonly [name: string, shape: number[], type: string])[];
  readonly tokenization: readonly {
    readonly text: string;
    readonly llamacpp: number[];
    readonly transformers?: number[];
  }[];
}

const folder = new URL("./vectors/arch/", import.meta.url);

export const vectorNames: readonly string[] = readdirSync(folder)
  .filter((name) => name.endsWith(".json.gz"))
  .map((name) => name.replace(".json.gz", ""));

export function readVector(name: string): Vector {
  return JSON.parse(gunzipSync(readFileSync(new URL(`${name}.json.gz`, folder))).toString("utf8")) as Vector;
}

export function vectorContents(vector: Vector): Map<string, string | Uint8Array> {
  const contents = new Map<string, string | Uint8Array>(Object.entries(vector.files));
  if (vector.tokenizerModel !== null)
    contents.set("tokenizer.model", Buffer.from(vector.tokenizerModel, "base64"));
  return contents;
}

export function vectorFiles(
  vector: Vector,
  contents: ReadonlyMap<string, string | Uint8Array> = vectorContents(vector),
): HfFiles {
  return readHfFiles(
    vector.directoryName,
    contents,
    asOpened(vector.tensors.map(([name, shape, encoding, file]) => ({ name, shape, encoding, file }))),
  );
}

/** The tokenizer of a model of any format, as the files that Hugging Face's libraries read. */
import { ConversionError, FormatError } from "@requant/core";
import { ggufToHf } from "@requant/models";
import * as z from "zod/mini";
import type { Model } from "../model/model.ts";
import { ggufAsHf } from "../plan/gguf-as-hf.ts";
import { readPlanSource } from "../plan/read-plan-source.ts";
import { decoderSource } from "./decoder-source.ts";

/** @inline */
type JsonObject = Readonly<Record<string, unknown>>;

/** Both files, parsed. */
export interface ModelTokenizer {
  /** tokenizer.json. */
  readonly tokenizer: JsonObject;
  /** tokenizer_config.json; empty where the model has none. */
  readonly config: JsonObject;
}

const TOKENIZER = "tokenizer.json";
const CONFIG = "tokenizer_config.json";

type Files = ReadonlyMap<string, string | Uint8Array>;

/**
 * The model's own files; a GGUF, or a directory with a vocabulary in another form, has them written back.
 * @throws ConversionError for a model without a tokenizer
 */
export async function modelTokenizer(model: Model): Promise<ModelTokenizer> {
  const files = await filesOf(model);
  const tokenizer = jsonFile(files, TOKENIZER, model);
  if (tokenizer !== undefined) return { tokenizer, config: jsonFile(files, CONFIG, model) ?? {} };
  throw new ConversionError("The model has no tokenizer, which a text must be read with.", {
    path: model.name,
    hint: "Put its tokenizer.json beside the weights.",
  });
}

async function filesOf(model: Model): Promise<Files> {
  if (model.hf === undefined) return ggufAsHf(await readPlanSource(model), "F32").files;
  const own = await model.hf.sideFileBytes();
  if (own.has(TOKENIZER)) return own;
  const { metadata, shapes } = await decoderSource(model);
  const tensors = Array.from(shapes, ([name, shape]) => ({ name, shape }));
  return ggufToHf({ metadata, tensors, smallTensors: undefined }, { dtype: "F32" }).files;
}

const objectSchema = z.record(z.string(), z.unknown());

function jsonFile(files: Files, name: string, model: Model): JsonObject | undefined {
  const content = files.get(name);
  if (content === undefined) return undefined;
  const parsed = objectSchema.safeParse(jsonOf(typeof content === "string" ? content : textOf(content)));
  if (parsed.success) return parsed.data;
  throw new FormatError(`The file ${name} is not a JSON object.`, { path: `${model.folder}/${name}` });
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

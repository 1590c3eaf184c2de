/** What only Hugging Face-style directories can have wrong: tensors that were never gathered, a head that is stored and tied. */

import { elementCount, type Finding } from "@requant/core";
import { isHead, isTokenEmbedding } from "@requant/models";
import { finding } from "../../model/findings/finding.ts";
import type { Model, ModelTensor } from "../../model/model.ts";
import { BAND_BYTE_LENGTH } from "../../model/row-bands.ts";
import { sameBytes } from "../../model/same-bytes.ts";
import { few } from "./few.ts";

/** Tensors without values, which training with DeepSpeed ZeRO-3 leaves where the weights were not gathered. */
export function emptyFindings({ tensors }: Model): Finding[] {
  const empty = tensors.filter(({ shape }) => elementCount(shape) === 0).map(({ name }) => name);
  const [tensor] = empty;
  return tensor === undefined
    ? []
    : [finding("empty-tensor", `Tensors without values: ${empty.length} (${few(empty)}).`, { tensor })];
}

/** Classes of models that write text, which needs a head. */
const WRITES = /ForCausalLM$|LMHeadModel$|ForConditionalGeneration$/;

/** A head that config.json says nothing of, or the other way round. */
export async function headFindings(model: Model): Promise<Finding[]> {
  const tied = model.hf?.config?.["tie_word_embeddings"];
  if (typeof tied !== "boolean" || !WRITES.test(model.architecture ?? "")) return [];
  const head = model.tensors.find(({ name }) => isHead(name));
  const embedding = model.tensors.find(({ name }) => isTokenEmbedding(name));
  if (!tied)
    return head !== undefined || embedding === undefined
      ? []
      : [
          finding(
            "missing-tensor",
            "The config.json says that the head is a tensor of its own (tie_word_embeddings is false), and there is none.",
            { tensor: "lm_head.weight" },
            "Set tie_word_embeddings to true if the original model does, or take the missing file from it.",
          ),
        ];
  if (head === undefined || embedding === undefined || (await areEqual(model, head, embedding))) return [];
  return [
    finding(
      "config-disagrees",
      "The config.json says that the head is the embedding (tie_word_embeddings is true), and another head is stored: programs differ in which of the two they use.",
      { tensor: head.name, key: "tie_word_embeddings" },
      "Set tie_word_embeddings to false if the stored head belongs to the model, or remove the tensor.",
    ),
  ];
}

async function areEqual(model: Model, a: ModelTensor, b: ModelTensor): Promise<boolean> {
  if (a.encoding !== b.encoding || a.byteLength !== b.byteLength) return false;
  for (let start = 0; start < a.byteLength; start += BAND_BYTE_LENGTH) {
    const end = Math.min(start + BAND_BYTE_LENGTH, a.byteLength);
    const [left, right] = [new Uint8Array(end - start), new Uint8Array(end - start)];
    await model.readInto(a.name, start, left);
    await model.readInto(b.name, start, right);
    if (!sameBytes(left, right)) return false;
  }
  return true;
}

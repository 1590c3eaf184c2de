/** Writes a made-up llama in BF16 as a Hugging Face directory: weights as normal as real ones, and a SentencePiece tokenizer. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BF16 } from "@requant/core";
import { pieceTypes, serializeSentencePiece } from "../packages/models/src/tokenizer/sentencepiece.ts";
import { llamaConfig } from "./llama-config.ts";
import type { LlamaShape } from "./llama-shape.ts";
import { type PatternTensor, writePatterns } from "./pattern-tensors.ts";
import { normalNumbers } from "./random.ts";

/** An even number that no width divides, so that no two rows of a matrix are the same. */
const NUMBERS = (1 << 20) + 12_346;

/** Makes the folder and returns the bytes of its weights. */
export async function makeHf(folder: string, shape: LlamaShape): Promise<number> {
  const { layers, width, feedForward, heads, keyValueHeads, vocabularySize } = shape;
  const pattern = new Uint8Array(2 * NUMBERS);
  BF16.quantize?.(normalNumbers(9, NUMBERS), NUMBERS, pattern);
  const tensor = (name: string, ...sizes: number[]): PatternTensor => ({
    name: `${name}.weight`,
    encoding: "BF16",
    shape: sizes,
    pattern,
  });
  const keyValueWidth = (width / heads) * keyValueHeads;
  const tensors = [
    tensor("model.embed_tokens", vocabularySize, width),
    ...Array.from({ length: layers }, (_, layer) => `model.layers.${layer}`).flatMap((layer) => [
      tensor(`${layer}.input_layernorm`, width),
      tensor(`${layer}.post_attention_layernorm`, width),
      tensor(`${layer}.self_attn.q_proj`, width, width),
      tensor(`${layer}.self_attn.k_proj`, keyValueWidth, width),
      tensor(`${layer}.self_attn.v_proj`, keyValueWidth, width),
      tensor(`${layer}.self_attn.o_proj`, width, width),
      tensor(`${layer}.mlp.gate_proj`, feedForward, width),
      tensor(`${layer}.mlp.up_proj`, feedForward, width),
      tensor(`${layer}.mlp.down_proj`, width, feedForward),
    ]),
    tensor("model.norm", width),
    tensor("lm_head", vocabularySize, width),
  ];
  await mkdir(folder, { recursive: true });
  const byteLength = await writePatterns(folder, tensors);
  const write = (name: string, json: unknown): Promise<void> =>
    writeFile(join(folder, name), JSON.stringify(json, undefined, 1));
  await write("config.json", { ...llamaConfig(shape, "bfloat16"), bos_token_id: 1, eos_token_id: 2 });
  await write("tokenizer_config.json", {
    tokenizer_class: "LlamaTokenizer",
    bos_token: "<s>",
    eos_token: "</s>",
    unk_token: "<unk>",
  });
  await writeFile(join(folder, "tokenizer.model"), pieces(vocabularySize));
  return byteLength;
}

/** A tokenizer.model with the special tokens and bytes of a llama, and made-up words. */
function pieces(count: number): Uint8Array {
  const special = ["<unk>", "<s>", "</s>"].map((text, id) => ({
    text,
    score: 0,
    type: id === 0 ? pieceTypes.unknown : pieceTypes.control,
  }));
  const bytes = Array.from({ length: 256 }, (_, byte) => ({
    text: `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
    score: 0,
    type: pieceTypes.byte,
  }));
  const words = Array.from({ length: count - special.length - bytes.length }, (_, i) => ({
    text: `▁word${i}`,
    score: -i,
    type: pieceTypes.normal,
  }));
  return serializeSentencePiece(
    [...special, ...bytes, ...words],
    { unknown: 0, bos: 1, eos: 2 },
    { modelType: 2, addDummyPrefix: true, removeExtraWhitespaces: false, charsmap: new Uint8Array(0) },
  );
}

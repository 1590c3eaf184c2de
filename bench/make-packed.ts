/**
 * Writes a made-up llama as GPTQ or AWQ packs it: 4 bits, groups of 128; GPTQ symmetric, AWQ with zero points. Random codes;
 * streaming.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { F16 } from "@requant/core";
import { llamaConfig } from "./llama-config.ts";
import type { LlamaShape } from "./llama-shape.ts";
import { type PatternTensor, writePatterns } from "./pattern-tensors.ts";
import { randomNumbers } from "./random.ts";
import { wordTokenizer } from "./vocabulary.ts";

const GROUP_SIZE = 128;
const PIECE = 1 << 20;

const SETTINGS = {
  gptq: { sym: true, desc_act: false, checkpoint_format: "gptq" },
  awq: { zero_point: true, version: "gemm" },
} as const;

export type PackedFormat = "gptq" | "awq";

/** Makes the folder and returns the bytes of its weights. */
export async function makePacked(
  folder: string,
  shape: LlamaShape,
  format: PackedFormat = "gptq",
): Promise<number> {
  const { layers, width, feedForward, heads, keyValueHeads, vocabularySize } = shape;
  const random = randomNumbers(7);
  const codes = Uint8Array.from({ length: PIECE + 12_348 }, () => 256 * random());
  const halves = (value: () => number): Uint8Array => {
    const floats = Float32Array.from({ length: PIECE / 2 + 6_172 }, value);
    const bytes = new Uint8Array(2 * floats.length);
    F16.quantize?.(floats, floats.length, bytes);
    return bytes;
  };
  const scales = halves(() => 0.005 + 0.01 * random());
  const floats = halves(() => 0.04 * (random() - 0.5));
  const zeros = format === "gptq" ? new Uint8Array(PIECE).fill(0x77) : codes;
  const packed = (module: string, rows: number, columns: number): PatternTensor[] => {
    const groups = columns / GROUP_SIZE;
    const name = (suffix: string): string => `model.layers.${module}.${suffix}`;
    const words = format === "gptq" ? [columns / 8, rows] : [columns, rows / 8];
    return [
      { name: name("qweight"), encoding: "I32", shape: words, pattern: codes },
      { name: name("qzeros"), encoding: "I32", shape: [groups, rows / 8], pattern: zeros },
      { name: name("scales"), encoding: "F16", shape: [groups, rows], pattern: scales },
    ];
  };
  const plain = (name: string, ...sizes: number[]): PatternTensor => ({
    name: `${name}.weight`,
    encoding: "F16",
    shape: sizes,
    pattern: floats,
  });
  const keyValueWidth = (width / heads) * keyValueHeads;
  const parts = [
    plain("model.embed_tokens", vocabularySize, width),
    ...Array.from({ length: layers }, (_, layer) => layer).flatMap((layer) => [
      plain(`model.layers.${layer}.input_layernorm`, width),
      plain(`model.layers.${layer}.post_attention_layernorm`, width),
      ...packed(`${layer}.self_attn.q_proj`, width, width),
      ...packed(`${layer}.self_attn.k_proj`, keyValueWidth, width),
      ...packed(`${layer}.self_attn.v_proj`, keyValueWidth, width),
      ...packed(`${layer}.self_attn.o_proj`, width, width),
      ...packed(`${layer}.mlp.gate_proj`, feedForward, width),
      ...packed(`${layer}.mlp.up_proj`, feedForward, width),
      ...packed(`${layer}.mlp.down_proj`, width, feedForward),
    ]),
    plain("model.norm", width),
    plain("lm_head", vocabularySize, width),
  ];
  await mkdir(folder, { recursive: true });
  const byteLength = await writePatterns(folder, parts);
  const write = (name: string, json: unknown): Promise<void> =>
    writeFile(join(folder, name), JSON.stringify(json, undefined, 1));
  await write("config.json", {
    ...llamaConfig(shape, "float16"),
    quantization_config: { quant_method: format, bits: 4, group_size: GROUP_SIZE, ...SETTINGS[format] },
  });
  await write("tokenizer.json", wordTokenizer(vocabularySize));
  await write("tokenizer_config.json", { tokenizer_class: "PreTrainedTokenizerFast" });
  return byteLength;
}

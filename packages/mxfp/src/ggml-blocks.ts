/**
 * ModelOpt's weights in ggml's own blocks: the bytes of a tensor in safetensors are those of a GGUF file.
 *
 *   weight  U8  [N, K / 256, bytes of a block]
 *
 * Which type the blocks have is written in the configuration: `quant_algo` of the model, or of a module among
 * `quantized_layers`. There are no other tensors.
 * Source: NVIDIA Model Optimizer, quantization/ggml/iq1_s.py, iq2_xxs.py, iq2_xs.py and common.py (layout of the blocks), and
 * pull request 2447 (export as shaped bytes).
 */
import { UnsupportedError } from "@requant/core";
import {
  type ClaimedConfig,
  modelOptMethod,
  type StoredBlocks,
  type WeightFormat,
} from "@requant/core/format";
import { parseModelOptConfig } from "./nvfp4-config.ts";

/** Weights of a block. */
const BLOCK_SIZE = 256;

/** Bytes of a block, by `quant_algo`, which has ggml's name of the type. */
const BLOCK_BYTES: ReadonlyMap<string, number> = /* @__PURE__ */ new Map([
  ["IQ1_S", 50],
  ["IQ2_XXS", 66],
  ["IQ2_XS", 74],
]);

/** ggml's blocks as ModelOpt exports them, as `@requant/convert` uses them. */
export const ggmlBlocksFormat: WeightFormat = {
  name: "modelopt-ggml",
  methods: [/* @__PURE__ */ modelOptMethod(/^IQ(?:1_S|2_XXS|2_XS)$/)],
  configKeys: ["block_payload_bytes", "effective_bits", "packing", "quant_method"],
  find: () => [],
  reader: () => ({
    claims: {},
    claimsModule: () => true,
    openable(_module, _parts, place) {
      throw new UnsupportedError("Blocks of ggml are read as tensors of their type.", place);
    },
  }),
  blocks,
};

function blocks(
  tensors: Parameters<WeightFormat["find"]>[0],
  claimed: ClaimedConfig | undefined,
): readonly StoredBlocks[] {
  if (claimed?.method !== "modelopt") return [];
  const { algorithm, layers } = parseModelOptConfig(claimed.settings);
  return tensors.flatMap(({ name, encoding, shape }) => {
    const [rows = 0, count = 0, byteLength] = shape;
    if (encoding !== "U8" || shape.length !== 3 || !name.endsWith(".weight")) return [];
    const type = layers.get(name.slice(0, -".weight".length)) ?? algorithm ?? "";
    if (BLOCK_BYTES.get(type) !== byteLength) return [];
    return [{ name, type, shape: [rows, count * BLOCK_SIZE] }];
  });
}

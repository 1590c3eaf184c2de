/** XVERSE: Llama's layers with a vocabulary of tokens without scores (llama.cpp, conversion/xverse.py and models/xverse.cpp). */
import { string } from "../metadata-values.ts";
import type { Architecture } from "./architecture.ts";
import { deriveKeyValueHeads, fixed, textParameters, wholeHeadRope } from "./parameters.ts";
import { attention, decoderEnds, gatedFeedForward, layerNorms } from "./tensors.ts";

export const xverse: Architecture = {
  name: "xverse",
  classes: ["XverseForCausalLM"],
  modelType: "xverse",
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  derive: [deriveKeyValueHeads],
  parameters: [
    ...textParameters,
    fixed("~.tensor_data_layout", string("Meta AI original pth")),
    wholeHeadRope,
  ],
  tensors: [...decoderEnds, ...layerNorms, ...attention(true), ...gatedFeedForward],
  tokenizer: { kinds: ["tokens-only"], json: "llama" },
  finishConfig({ values }) {
    values.set("auto_map", {
      AutoConfig: "xverse/XVERSE-13B--configuration_xverse.XverseConfig",
      AutoModelForCausalLM: "xverse/XVERSE-13B--modeling_xverse.XverseForCausalLM",
    });
  },
};

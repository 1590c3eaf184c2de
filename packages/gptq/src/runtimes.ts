import type { RuntimeTable } from "@requant/core/format";

/** What programs read of GPTQ. */
export const gptqRuntimes: RuntimeTable = {
  // vllm, quantization/auto_gptq.py (`AutoGPTQConfig`: TYPE_MAP, from_config) and utils/marlin_utils.py
  // (MARLIN_SUPPORTED_GROUP_SIZES). Releases before vllm's change 38288 of 2026 had quantization/gptq.py beside it, with
  // kernels for 2, 3, 4 and 8 bits, zero points and any group size.
  vllm: {
    settings: [
      { setting: "bits", among: [4, 8], varies: true },
      { setting: "symmetric", among: [true], varies: true },
      { setting: "groupSize", among: [-1, 32, 64, 128], varies: true },
      { setting: "variant", among: ["v1", "v2", "no zero points"] },
    ],
    configKeys: [["bits"], ["group_size"], ["desc_act"], ["sym"]],
  },
  // transformers, utils/quantization_config.py (`GPTQConfig.post_init`)
  transformers: { settings: [{ setting: "bits", among: [2, 3, 4, 8] }], configKeys: [["bits"]] },
  // exllamav2, ext_qmatrix.cpp (eight codes to a word) and cuda/q_matrix.cu: the length of a group is taken for a power of two, and
  // read in steps of 32; linear.py reads qzeros
  exllamav2: {
    settings: [
      { setting: "bits", among: [4] },
      { setting: "groupSize", among: [-1, 32, 64, 128, 256, 512, 1024, 2048, 4096] },
      { setting: "variant", among: ["v1", "v2"] },
    ],
  },
};

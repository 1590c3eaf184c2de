/** The schemes that a word of the target names, as compressed-tensors' presets define them (quantization/quant_scheme.py). */
import type { CompressedTensorsGroup } from "./config.ts";
import { type ActivationArgs, quantizationArgs } from "./write-config.ts";

/** One scheme. */
export interface Scheme {
  readonly weights: Omit<CompressedTensorsGroup, "targets">;
  /** How a runtime quantizes activations while it computes; null: not at all. */
  readonly activations: ActivationArgs;
  /** Columns must be whole multiples of this. */
  readonly columnMultiple: number;
}

const COMMON = { symmetric: true, actorder: undefined, groupSize: -1 } as const;

/** A word that names a scheme. */
export type SchemeName = "w8a8" | "fp8-channel" | "fp8-block" | "nvfp4" | "mxfp4";

/** By their words. */
export const SCHEMES: Readonly<Record<SchemeName, Scheme>> = /* @__PURE__ */ presets();

function presets(): Record<SchemeName, Scheme> {
  return {
    w8a8: {
      weights: { ...COMMON, format: "int-quantized", type: "int", bits: 8, strategy: "channel" },
      activations: quantizationArgs({ dynamic: true, strategy: "token" }),
      columnMultiple: 1,
    },
    "fp8-channel": {
      weights: { ...COMMON, format: "float-quantized", type: "float", bits: 8, strategy: "channel" },
      activations: quantizationArgs({ dynamic: true, strategy: "token", type: "float" }),
      columnMultiple: 1,
    },
    "fp8-block": {
      weights: {
        ...COMMON,
        format: "float-quantized",
        type: "float",
        bits: 8,
        strategy: "block",
        block: [128, 128],
      },
      activations: quantizationArgs({ dynamic: true, group_size: 128, strategy: "group", type: "float" }),
      columnMultiple: 1,
    },
    // activations of four bits need a scale that only calibration tells (input_global_scale): they are left alone
    nvfp4: {
      weights: {
        ...COMMON,
        format: "nvfp4-pack-quantized",
        type: "float",
        bits: 4,
        strategy: "tensor_group",
        groupSize: 16,
      },
      activations: null,
      columnMultiple: 16,
    },
    mxfp4: {
      weights: {
        ...COMMON,
        format: "mxfp4-pack-quantized",
        type: "float",
        bits: 4,
        strategy: "group",
        groupSize: 32,
      },
      activations: quantizationArgs({
        dynamic: true,
        group_size: 32,
        num_bits: 4,
        scale_dtype: "torch.uint8",
        strategy: "group",
        type: "float",
      }),
      columnMultiple: 32,
    },
  };
}

export const SCHEME_NAMES = Object.keys(SCHEMES) as readonly SchemeName[];

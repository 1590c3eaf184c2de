/** The configuration as compressed-tensors 0.19 writes it. */
import type { CompressedTensorsConfig, CompressedTensorsGroup } from "./config.ts";

/** @inline */
type Json = Readonly<Record<string, unknown>>;

/** What a group of modules does to its activations, in the library's own keys; null: nothing. */
export type ActivationArgs = Json | null;

/** The defaults of `QuantizationArgs` (compressed-tensors, quantization/quant_args.py), and what a group changes. */
export function quantizationArgs(changes: Json): Json {
  return {
    actorder: null,
    block_structure: null,
    dynamic: false,
    group_size: null,
    num_bits: 8,
    observer: null,
    observer_kwargs: {},
    scale_dtype: null,
    strategy: "tensor",
    symmetric: true,
    type: "int",
    zp_dtype: null,
    ...changes,
  };
}

/** `scale_dtype` where it is not the dtype of the model. */
const SCALE_DTYPES: Readonly<Partial<Record<CompressedTensorsGroup["format"], string>>> = {
  "nvfp4-pack-quantized": "torch.float8_e4m3fn",
  "mxfp4-pack-quantized": "torch.uint8",
  "mxfp8-quantized": "torch.uint8",
};

function weightsOf(group: CompressedTensorsGroup): Json {
  return quantizationArgs({
    actorder: group.actorder ?? null,
    block_structure: group.block === undefined ? null : [...group.block],
    group_size: group.groupSize === -1 ? null : group.groupSize,
    num_bits: group.bits,
    observer: "memoryless_minmax",
    scale_dtype: SCALE_DTYPES[group.format] ?? null,
    strategy: group.strategy,
    symmetric: group.symmetric,
    type: group.type,
    zp_dtype: group.symmetric ? null : "torch.int8",
  });
}

/** The object for `quantization_config` of config.json. `activations`: for all groups. */
export function serializeCompressedTensorsConfig(
  config: CompressedTensorsConfig,
  activations: ActivationArgs = null,
): Record<string, unknown> {
  const formats = [...new Set(config.groups.map(({ format }) => format))];
  const [format = "pack-quantized"] = formats;
  return {
    config_groups: Object.fromEntries(
      config.groups.map((group, index) => [
        `group_${index}`,
        {
          format: group.format,
          input_activations: activations,
          output_activations: null,
          targets: [...group.targets],
          weights: weightsOf(group),
        },
      ]),
    ),
    format: formats.length > 1 ? "mixed-precision" : format,
    global_compression_ratio: null,
    ignore: [...config.ignore],
    kv_cache_scheme: null,
    quant_method: "compressed-tensors",
    quantization_status: "compressed",
    sparsity_config: {},
    transform_config: {},
    ...(config.version === undefined ? {} : { version: config.version }),
  };
}

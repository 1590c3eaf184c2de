/** NVFP4 of ModelOpt as a source. */
import type { ErrorPlace, Finding } from "@requant/core";
import {
  findBySuffixes,
  type LinearPart,
  type LinearReader,
  type ModuleHints,
  modelOptMethod,
  openableWeight,
  packedFinding,
  type WeightFormat,
} from "@requant/core/format";
import { measureNvfp4, NVFP4_BLOCK_SIZE, nvfp4Codec } from "./nvfp4-codec.ts";
import { isExcluded, parseModelOptConfig } from "./nvfp4-config.ts";
import { nvfp4Target } from "./nvfp4-target.ts";

/** NVFP4 of ModelOpt, as `@requant/convert` uses it. */
export const nvfp4Format: WeightFormat = {
  name: "nvfp4",
  methods: [/* @__PURE__ */ modelOptMethod(/^(?:W4A(?:16|8)_)?NVFP4/)],
  // what is written
  configKeys: [
    "config_groups",
    "ignore",
    "kv_cache_scheme",
    "producer",
    "quant_algo",
    "quant_method",
    "quantized_layers",
  ],
  selfDescribing: true,
  runtimes: { vllm: {} },
  find: (tensors) => findBySuffixes(tensors, nvfp4Codec.suffixes, isNvfp4),
  reader: nvfp4Reader,
  target: nvfp4Target,
};

function isNvfp4(parts: readonly LinearPart[]): boolean {
  const has = (suffix: string, encoding: string): boolean =>
    parts.some((part) => part.suffix === suffix && part.encoding === encoding);
  return has("weight", "U8") && has("weight_scale", "F8_E4M3") && has("weight_scale_2", "F32");
}

function nvfp4Reader(json: unknown, _hints: ModuleHints, place: ErrorPlace): LinearReader {
  const config = json === undefined ? undefined : parseModelOptConfig(json, place);
  const groupSize = config?.groupSize;
  return {
    claims:
      config === undefined
        ? {}
        : { bits: 4, symmetric: true, ...(groupSize === undefined ? {} : { groupSize }) },
    claimsModule: (module) => config === undefined || !isExcluded(config.excluded, module),
    openable(_module, parts, at) {
      const layout = nvfp4Codec.readLayout(parts, {}, at);
      return openableWeight(nvfp4Codec, layout, "NVFP4-16g", at, (bytes) => {
        const findings: Finding[] = [];
        if (groupSize !== undefined && groupSize !== NVFP4_BLOCK_SIZE) {
          findings.push(
            packedFinding(
              `The configuration says groups of ${groupSize}; the tensors have groups of ${NVFP4_BLOCK_SIZE}.`,
            ),
          );
        }
        return {
          layout,
          ...measureNvfp4(layout, bytes, at),
          settings: {
            bits: "4",
            groupSize: NVFP4_BLOCK_SIZE,
            symmetric: true,
            actOrder: undefined,
            variant: "modelopt",
          },
          findings,
        };
      });
    },
  };
}

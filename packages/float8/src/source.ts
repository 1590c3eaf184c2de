import type { Finding } from "@requant/core";
import {
  type ClaimedConfig,
  type FoundWeight,
  findBySuffixes,
  type LinearPart,
  type LinearReader,
  openableWeight,
  type PackedSource,
  packedFinding,
  type StoredPart,
} from "@requant/core/format";
import { exactFloatTypes } from "@requant/core/numeric";
import { factsOf, float8Codec, readScales } from "./codec.ts";
import { type Float8Config, leavesModule, parseFloat8Config } from "./config.ts";
import {
  ACTIVATION_SCALES,
  type Float8Layout,
  isFloat8,
  readLayout,
  scaleNameOf,
  strategyOf,
} from "./layout.ts";
import { float8Methods } from "./methods.ts";

/** FP8 weights of every tool that stores their scales beside them. */
export const float8Source: PackedSource = {
  name: "fp8",
  runtimes: { vllm: {}, transformers: {} },
  methods: float8Methods,
  selfDescribing: true,
  // of transformers (`FineGrainedFP8Config`) and vLLM (`Fp8Config`)
  configKeys: [
    "activation_scheme",
    "dequantize",
    "fmt",
    "ignored_layers",
    "kv_cache_scheme",
    "modules_to_not_convert",
    "quant_method",
    "scale_fmt",
    "weight_block_size",
  ],
  find: findFloat8,
  reader: float8Reader,
};

/** With a configuration of compressed-tensors, its own scales are read by its own format. */
const OTHER = { format: "compressed-tensors", scaleName: "weight_scale" } as const;

function findFloat8(
  tensors: Parameters<PackedSource["find"]>[0],
  claimed: ClaimedConfig | undefined,
): FoundWeight[] {
  const found = findBySuffixes(tensors, float8Codec.suffixes, isScaledFloat8).filter(
    ({ isWeight }) => isWeight,
  );
  if (claimed?.format !== OTHER.format && claimed?.method !== OTHER.format) return found;
  return found.filter(({ parts }) => scaleNameOf(parts) !== OTHER.scaleName);
}

/** Other formats use these names with codes of other types. */
function isScaledFloat8(parts: readonly LinearPart[]): boolean {
  const weight = parts.find(({ suffix }) => suffix === "weight");
  if (weight === undefined || !isFloat8(weight.encoding)) return false;
  return weight.shape.length === 2 && scaleNameOf(parts) !== undefined;
}

function float8Reader(
  json: unknown,
  _hints: unknown,
  place: Parameters<PackedSource["reader"]>[2],
): LinearReader {
  const config: Float8Config = json === undefined ? { left: [] } : parseFloat8Config(json, place);
  const { blockSize } = config;
  const activationScales: string[] = [];
  return {
    claims: { bits: 8, ...(blockSize === undefined ? {} : { groupSize: blockSize[1] }), symmetric: true },
    get findings() {
      return activationFindings(activationScales);
    },
    claimsModule: (module) => !leavesModule(config, module),
    openable(_module, parts, at) {
      for (const { name } of activationParts(parts)) activationScales.push(name);
      const layout = readLayout(parts, { blockSize }, at);
      return openableWeight(float8Codec, layout, labelOf(layout), at, (bytes) => {
        const scales = readScales(layout, bytes, at);
        return {
          layout,
          ...factsOf(layout, scales),
          exactIn: exactFloatTypes(scales, layout.codes === "F8_E4M3" ? "E4M3" : "E5M2"),
          settings: {
            bits: "8",
            groupSize: layout.blockColumns,
            symmetric: true,
            actOrder: undefined,
            variant: strategyOf(layout),
          },
          findings: findingsOf(layout, blockSize),
        };
      });
    },
  };
}

function activationParts(parts: readonly StoredPart[]): readonly StoredPart[] {
  return parts.filter(({ suffix }) => ACTIVATION_SCALES.includes(suffix));
}

function activationFindings(names: readonly string[]): Finding[] {
  const [first] = names;
  if (first === undefined) return [];
  const what = names.length === 1 ? `The tensor ${first} is a scale` : `${names.length} tensors are scales`;
  const more = names.length === 1 ? "" : `; the first is ${first}`;
  return [
    {
      code: "packed-weights",
      severity: "note",
      message: `${what} of activations, which changes no weight and is left out${more}.`,
      tensor: first,
      hint: "Runtimes that quantize activations compute such scales anew.",
    },
  ];
}

/** A whole weight or whole rows in one block are no fault: other settings describe them. */
function findingsOf(layout: Float8Layout, claimed: Float8Config["blockSize"]): Finding[] {
  const { blockRows, blockColumns } = layout;
  if (claimed === undefined || strategyOf(layout) !== "block") return [];
  if (claimed[0] === blockRows && claimed[1] === blockColumns) return [];
  return [
    packedFinding(
      `The configuration says blocks of ${claimed.join(" × ")}; by the scales they are ${blockRows} × ${blockColumns}.`,
    ),
  ];
}

/** "FP8-block-128", "FP8-block-32x64", "FP8-channel", "FP8-E5M2-tensor". */
export function labelOf(layout: Float8Layout): string {
  const { blockRows, blockColumns } = layout;
  const strategy = strategyOf(layout);
  const name = layout.codes === "F8_E4M3" ? "FP8" : "FP8-E5M2";
  if (strategy !== "block") return `${name}-${strategy}`;
  return `${name}-block-${blockRows === blockColumns ? blockRows : `${blockRows}x${blockColumns}`}`;
}

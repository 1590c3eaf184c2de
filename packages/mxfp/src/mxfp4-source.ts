/** MXFP4 as a source: gpt-oss's experts, DeepSeek V4's, and what ModelOpt exports. */
import { largest, type TensorInfo } from "@requant/core";
import {
  type FormatMethod,
  type FoundWeight,
  findBySuffixes,
  modelOptMethod,
  openableWeight,
  type PackedSource,
  type StoredPart,
  type WeightFormat,
} from "@requant/core/format";
import { MXFP4_BLOCK_SIZE, measureMxfp4, mxfp4Codec, mxfp4StoreOf } from "./mxfp4-codec.ts";

/** transformers' own method, under which gpt-oss is published. Of its settings only the exceptions are stored. */
const mxfp4Method: FormatMethod = { names: ["mxfp4"], leavesFloats: true };

/** MXFP4 as a source. */
const mxfp4Source: PackedSource = {
  name: "mxfp4",
  methods: [mxfp4Method, /* @__PURE__ */ modelOptMethod(/^(?:W4A8_)?MXFP4/)],
  configKeys: ["quant_method", "modules_to_not_convert", "dequantize"],
  selfDescribing: true,
  runtimes: { vllm: {}, transformers: {} },
  find: (tensors) => [...findStacks(tensors), ...findMatrices(tensors)],
  reader(_config, _hints, _place) {
    return {
      claims: { bits: 4, groupSize: MXFP4_BLOCK_SIZE, symmetric: true },
      claimsModule: () => true,
      openable(module, parts, at) {
        const layout = mxfp4Codec.readLayout(parts, {}, at);
        const { experts, store } = layout;
        const weight = openableWeight(mxfp4Codec, layout, "MXFP4-32g", at, (bytes) => ({
          layout,
          ...measureMxfp4(layout, bytes, at),
          settings: {
            bits: "4",
            groupSize: MXFP4_BLOCK_SIZE,
            symmetric: true,
            actOrder: undefined,
            variant: store,
          },
          findings: [],
        }));
        // transformers keeps such experts as [experts, in, out]
        return store === "gpt-oss" ? { ...weight, leading: [experts], transposedAs: module } : weight;
      },
    };
  },
};

/** MXFP4, as `@requant/convert` uses it. */
export const mxfp4Format: WeightFormat = mxfp4Source;

function findMatrices(tensors: readonly TensorInfo[]): FoundWeight[] {
  return findBySuffixes(tensors, ["weight", "scale", "weight_scale", "input_scale"], (parts) => {
    // a second scale makes it NVFP4
    return mxfp4StoreOf(parts) !== undefined;
  });
}

const STACK_PARTS = ["blocks", "scales"] as const;

/** gpt-oss joins the suffix with an underscore: "….experts.gate_up_proj_blocks". */
function findStacks(tensors: readonly TensorInfo[]): FoundWeight[] {
  const modules = new Map<string, StoredPart[]>();
  for (const { name, encoding, shape, byteLength } of tensors) {
    const suffix = STACK_PARTS.find((one) => name.length > one.length + 1 && name.endsWith(`_${one}`));
    if (suffix === undefined || encoding !== "U8") continue;
    const module = name.slice(0, -suffix.length - 1);
    const parts = modules.get(module) ?? [];
    modules.set(module, parts);
    parts.push({ suffix, name, encoding, shape, byteLength });
  }
  return Array.from(modules, ([module, parts]) => ({
    module,
    parts,
    isWeight: mxfp4StoreOf(parts) === "gpt-oss" && isStack(parts),
  }));
}

function isStack(parts: readonly StoredPart[]): boolean {
  return largest(parts.map(({ shape }) => shape.length)) === 4;
}

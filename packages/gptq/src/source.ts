import type { ErrorPlace } from "@requant/core";
import type { LinearPart, PartBytes } from "@requant/core/format";
import {
  findBySuffixes,
  groupSizeByCount,
  groupWord,
  type LinearReader,
  type OpenableWeight,
  openableWeight,
  type PackedSource,
  type StoredPart,
  suffixesOf,
  zeroGroupFindings,
} from "@requant/core/format";
import { type GptqLayout, gptqCodec } from "./codec.ts";
import { type GptqConfig, gptqModuleConfig, parseGptqConfig } from "./config.ts";
import { examineGptq } from "./examine.ts";
import { type GptqMarlinLayout, gptqMarlinCodec } from "./marlin.ts";
import { gptqMethods } from "./methods.ts";
import { gptqRuntimes } from "./runtimes.ts";

const SUFFIXES: readonly string[] = /* @__PURE__ */ allSuffixes();

function allSuffixes(): string[] {
  return [...gptqCodec.suffixes, ...gptqMarlinCodec.suffixes];
}

/** The settings that are assumed without a configuration; the tensors correct them. */
const SILENT: GptqConfig = {
  bits: 4,
  groupSize: -1,
  sym: true,
  descAct: false,
  staticGroups: false,
  checkpointFormat: "gptq",
  packDtype: "int32",
  lmHead: false,
  dynamic: [],
  quantizer: [],
};

/** GPTQ of AutoGPTQ and GPTQModel, and its Marlin checkpoints. */
export const gptqSource: PackedSource = {
  name: "gptq",
  runtimes: gptqRuntimes,
  methods: gptqMethods,
  // of AutoGPTQ, GPTQModel and transformers (`GPTQConfig`)
  configKeys: [
    "act_group_aware",
    "backend",
    "batch_size",
    "bits",
    "block_name_to_quantize",
    "cache_block_outputs",
    "checkpoint_format",
    "damp_auto_increment",
    "damp_percent",
    "dataset",
    "desc_act",
    "disable_exllama",
    "dynamic",
    "exllama_config",
    "format",
    "group_size",
    "hyb_act",
    "is_marlin_format",
    "lm_head",
    "max_input_length",
    "meta",
    "method",
    "model_file_base_name",
    "model_name_or_path",
    "model_seqlen",
    "module_name_preceding_first_block",
    "modules_in_block_to_quantize",
    "mse",
    "offload_to_disk",
    "pack_dtype",
    "pad_token_id",
    "quant_method",
    "static_groups",
    "sym",
    "tokenizer",
    "true_sequential",
    "use_cuda_fp16",
    "use_exllama",
  ],
  // text-generation-inference's own quantizer wrote them in place of a configuration
  settingTensors: { gptq_bits: "bits", gptq_groupsize: "group_size", gptq_sym: "sym" },
  // what a rule may change (GPTQModel, quantization/config.py, `dynamic_get`); the rest is how codes were searched for
  innerKeys: {
    "dynamic.*": [
      "bits",
      "group_size",
      "sym",
      "desc_act",
      "mse",
      "damp_percent",
      "static_groups",
      "true_sequential",
    ],
  },
  find: (tensors) => findBySuffixes(tensors, SUFFIXES, isGptq),
  reader: gptqReader,
};

/** In the list of formats GPTQ comes after AWQ, whose qweight has other shapes. */
function isGptq(parts: readonly LinearPart[]): boolean {
  const has = suffixesOf(parts);
  return has.has("qweight") || has.has("qzeros") || (has.has("B") && has.has("s"));
}

function gptqReader(json: unknown, _hints: unknown, place: ErrorPlace): LinearReader {
  const config = json === undefined ? undefined : parseGptqConfig(json, place);
  return {
    findings: zeroGroupFindings(json, ["group_size"]),
    claims:
      config === undefined
        ? {}
        : {
            // where rules change a setting for some modules, the model as a whole has no claimed value
            bits: isChanged(config, "bits") ? undefined : config.bits,
            groupSize: isChanged(config, "groupSize") ? undefined : config.groupSize,
            symmetric: isChanged(config, "sym") ? undefined : config.sym,
            // static groups keep the columns in order
            actOrder: config.descAct && !config.staticGroups,
            variant: variantOf(config.checkpointFormat),
          },
    claimsModule: (module) => config === undefined || gptqModuleConfig(config, module) !== undefined,
    openable(module, parts, at) {
      // the rules leave this module in floats, but it is quantized: its tensors decide
      const claims =
        (config === undefined ? undefined : gptqModuleConfig(config, module)) ?? config ?? SILENT;
      return suffixesOf(parts).has("B")
        ? openMarlin(claims, parts, at)
        : openGptq(claims, config !== undefined, parts, at);
    },
  };
}

function isChanged({ dynamic }: GptqConfig, key: "bits" | "groupSize" | "sym"): boolean {
  return dynamic.some(({ override }) => override[key] !== undefined);
}

function variantOf(checkpointFormat: GptqConfig["checkpointFormat"]): string {
  return { gptq: "v1", gptq_v2: "v2", gptq_p: "planar", marlin: "marlin" }[checkpointFormat];
}

function openGptq(
  claims: GptqConfig,
  claimed: boolean,
  parts: readonly StoredPart[],
  place: ErrorPlace,
): OpenableWeight {
  const layout = gptqCodec.readLayout(parts, claimed ? claims : { ...claims, bits: undefined }, place);
  const { bits, columns, groupCount } = layout;
  // without a configuration there is no claim to disagree with
  const own: GptqConfig = claimed
    ? claims
    : { ...claims, bits, groupSize: groupSizeByCount(columns, groupCount, -1), actGroupAware: true };
  const size = groupSizeByCount(columns, groupCount, claims.groupSize);
  const label = `GPTQ-${bits}bit-${groupWord(size, columns)}`;
  return openableWeight(gptqCodec, layout, label, place, (bytes: PartBytes) => {
    const found = examineGptq(layout, bytes, own, place);
    return {
      layout: found.layout,
      facts: found.facts,
      settings: {
        bits: String(bits),
        groupSize: found.groupSize ?? size,
        symmetric: found.symmetric,
        actOrder: found.actOrder,
        variant: storedVariant(found.layout),
        contradiction: claimed ? contradictionOf(claims, layout) : undefined,
      },
      findings: found.findings,
    };
  });
}

/** A contradiction that would change every weight. */
function contradictionOf(
  { bits, descAct, staticGroups }: GptqConfig,
  layout: GptqLayout,
): string | undefined {
  if (bits !== layout.bits) return `The configuration says ${bits} bits; the tensors hold ${layout.bits}.`;
  const isSorted = descAct && !staticGroups && layout.groupCount > 1;
  return isSorted && !layout.hasGroupIndex
    ? "The configuration says act-order, and the part g_idx, which tells the group of each column, is missing."
    : undefined;
}

function storedVariant({ packing, zeros, hasZeros }: GptqLayout): string {
  if (hasZeros === false) return "no zero points";
  if (packing === "planar") return "planar";
  return zeros === "stored" ? "v2" : "v1";
}

function openMarlin(claims: GptqConfig, parts: readonly StoredPart[], place: ErrorPlace): OpenableWeight {
  const layout: GptqMarlinLayout = gptqMarlinCodec.readLayout(parts, claims, place);
  const { columns, groupCount } = layout;
  const size = groupSizeByCount(columns, groupCount, claims.groupSize);
  const label = `GPTQ-4bit-${groupWord(size, columns)}-marlin`;
  return openableWeight(gptqMarlinCodec, layout, label, place, (bytes) => ({
    layout,
    facts: gptqMarlinCodec.measure(layout, bytes, place),
    settings: {
      bits: "4",
      groupSize: size,
      symmetric: true,
      actOrder: "none",
      variant: "marlin",
    },
    findings: [],
  }));
}

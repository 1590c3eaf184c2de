import type { ErrorPlace, Finding } from "@requant/core";
import type { ClaimedConfig, LinearPart } from "@requant/core/format";
import {
  findBySuffixes,
  groupSizeByCount,
  groupWord,
  type LinearReader,
  openableWeight,
  type PackedSource,
  packedFinding,
  suffixesOf,
  zeroGroupFindings,
} from "@requant/core/format";
import { awqCodec } from "./codec.ts";
import { type AwqConfig, awqQuantizesModule, parseAwqConfig } from "./config.ts";
import { awqMethods } from "./methods.ts";

const SILENT: AwqConfig = {
  bits: 4,
  groupSize: 128,
  zeroPoint: true,
  version: "gemm",
  modulesToNotConvert: [],
};

/** AWQ's parts, and g_idx, which only other formats have. */
const SUFFIXES: readonly string[] = /* @__PURE__ */ awqCodec.suffixes.concat("g_idx");

/** AWQ of AutoAWQ, llm-awq and GPTQModel. */
export const awqSource: PackedSource = {
  name: "awq",
  runtimes: {
    // vllm, quantization/auto_awq.py (`AutoAWQConfig`: TYPE_MAP, from_config; `create_weights` has the shapes of gemm)
    vllm: {
      settings: [{ setting: "variant", among: ["gemm"] }],
      configKeys: [["w_bit", "bits"], ["q_group_size", "group_size"], ["zero_point"]],
    },
    // transformers, utils/quantization_config.py (`AwqFormat`); older releases know gemm and gemv (`AWQLinearVersion`)
    transformers: {
      settings: [
        { setting: "variant", among: ["gemm", "gemv", "gemv_fast", "llm-awq"] },
        { setting: "variant", among: ["gemm", "gemv", "marlin"], varies: true },
      ],
    },
  },
  methods: awqMethods,
  // of AutoAWQ, llm-awq, GPTQModel and transformers (`AwqConfig`)
  configKeys: [
    "backend",
    "bits",
    "checkpoint_format",
    "damp_percent",
    "desc_act",
    "do_fuse",
    "exllama_config",
    "format",
    "fuse_max_seq_len",
    "group_size",
    "lm_head",
    "meta",
    "method",
    "modules_to_fuse",
    "modules_to_not_convert",
    "pack_dtype",
    "q_group_size",
    "quant_method",
    "sym",
    "true_sequential",
    "version",
    "w_bit",
    "zero_point",
  ],
  find(tensors, claimed) {
    return findBySuffixes(tensors, SUFFIXES, (parts) => isAwq(parts, claimed));
  },
  reader: awqReader,
};

function isAwq(parts: readonly LinearPart[], claimed: ClaimedConfig | undefined): boolean {
  const isClaimed = claimed?.format === "awq";
  const has = suffixesOf(parts);
  if (has.has("g_idx")) return false;
  if (has.has("scaled_zeros")) return true;
  if (!has.has("qweight")) return isClaimed && has.has("qzeros");
  const [qweight, qzeros, scales] = ["qweight", "qzeros", "scales"].map((suffix) =>
    parts.find((part) => part.suffix === suffix),
  );
  if (qweight === undefined || scales === undefined) return isClaimed;
  // Marlin stores no zero points, and tiles of 16 columns
  if (qzeros === undefined) return isClaimed || qweight.shape[1] === 2 * (scales.shape[1] ?? 0);
  // GPTQ stores zero points in the same integer type as codes
  if (qzeros.encoding !== qweight.encoding) return true;
  const gptq = hasShapesOfGptq(qweight, scales);
  return isClaimed ? hasShapesOfAwq(qweight, qzeros, scales) || !gptq : !gptq;
}

/** True where qweight, like scales, has a column for each out feature. */
function hasShapesOfGptq(qweight: LinearPart, scales: LinearPart): boolean {
  return qweight.shape[1] === scales.shape[1];
}

function hasShapesOfAwq(qweight: LinearPart, qzeros: LinearPart, scales: LinearPart): boolean {
  const gemm = scales.shape[1] === 8 * (qweight.shape[1] ?? 0);
  const gemv = scales.shape[0] === qweight.shape[0] && scales.shape[1] === 8 * (qzeros.shape[1] ?? 0);
  return gemm || gemv;
}

function awqReader(json: unknown, _hints: unknown, place: ErrorPlace): LinearReader {
  const config = json === undefined ? undefined : parseAwqConfig(json, place);
  const claims = config ?? SILENT;
  return {
    findings: zeroGroupFindings(json, ["group_size", "q_group_size"]),
    claims:
      config === undefined
        ? {}
        : {
            bits: config.bits,
            groupSize: config.groupSize,
            symmetric: !config.zeroPoint,
            variant: config.version,
          },
    claimsModule: (module) => config === undefined || awqQuantizesModule(config, module),
    openable(_module, parts, at) {
      const layout = awqCodec.readLayout(parts, claims, at);
      const { version, columns, groupCount } = layout;
      const size = groupSizeByCount(columns, groupCount, layout.groupSize);
      const label = `AWQ-${version}-${groupWord(size, columns)}`;
      return openableWeight(awqCodec, layout, label, at, (bytes) => {
        const facts = awqCodec.measure(layout, bytes, at);
        const findings: Finding[] = [];
        if (config !== undefined && config.version !== version) {
          findings.push(
            packedFinding(
              `The configuration says version "${config.version}"; the tensors are packed as ${version}.`,
            ),
          );
        }
        const claimedSize = config?.groupSize === -1 ? columns : config?.groupSize;
        if (claimedSize !== undefined && Math.min(claimedSize, columns) !== size) {
          findings.push(
            packedFinding(
              `The configuration says groups of ${config?.groupSize}; the tensors have groups of ${size}.`,
            ),
          );
        }
        return {
          layout,
          facts,
          settings: {
            bits: "4",
            groupSize: size,
            symmetric: facts.symmetric,
            actOrder: undefined,
            variant: version,
          },
          findings,
        };
      });
    },
  };
}

/** A Hugging Face model as GGUF: metadata and a plan for every tensor, as llama.cpp's converter writes them. */
import { type Finding, FormatError, type Metadata, type MetadataValue } from "@requant/core";
import { architectureOfConfig } from "./architectures/index.ts";
import { resolveConfig } from "./config.ts";
import { refuseOutOfRange } from "./config-ranges.ts";
import { fileTypeNumber } from "./file-types.ts";
import { generalMetadata } from "./general/general-metadata.ts";
import { ggufFindings, missingParts } from "./gguf-findings.ts";
import type { HfFiles } from "./hf-files.ts";
import { string, stringOf, u32 } from "./metadata-values.ts";
import { type LeftOut, planGgufTensors } from "./plan-tensors.ts";
import { refuseImpossibleConfig } from "./plausible.ts";
import { unwrittenRope } from "./rope-factors.ts";
import { addTokenizerMetadata } from "./tokenizer/to-gguf.ts";
import type { WeightPlan } from "./weight-plan.ts";

/** Options of `hfToGguf`. */
export interface HfToGgufOptions {
  /** Name (as in {@link fileTypeNumbers}) or number for general.file_type. */
  readonly fileType: string | number;
  /** general.name, in place of the name in the model card, the config or the directory. */
  readonly name?: string;
  /** False leaves the `tokenizer.*` keys out. */
  readonly tokenizer?: boolean;
  /** "report": a model whose config and tensors contradict each other is planned, with findings, and not refused. */
  readonly contradictions?: "refuse" | "report";
}

/** A GGUF that can be written: metadata, and where each tensor comes from. */
export interface GgufModelPlan {
  readonly architecture: string;
  readonly metadata: Metadata;
  /** In file order. */
  readonly tensors: readonly WeightPlan[];
  readonly leftOut: readonly LeftOut[];
  /** Assumptions about facts that the source lacks, and contradictions of config and tensors where these are reported. */
  readonly findings: readonly Finding[];
}

/** Without these layers, the vectors are those of the pooling. */
function leftOutModules({ denseFolders = [] }: HfFiles): readonly LeftOut[] {
  return denseFolders.map((folder) => ({
    name: `${folder}/model.safetensors`,
    reason:
      "a dense layer behind the pooling: the GGUF ends at the pooling, as that of llama.cpp's converter",
  }));
}

/**
 * Plans the GGUF of a checkpoint.
 * @throws FormatError when config and tensors contradict each other; ConversionError when the class, a tensor or the tokenizer has no GGUF counterpart; the hint names the option `like`.
 */
export function hfToGguf(files: HfFiles, options: HfToGgufOptions): GgufModelPlan {
  const architecture = architectureOfConfig(files.config, files);
  refuseOutOfRange(files.config);
  const config = resolveConfig({ ...files.config, ...architecture.facts?.(files) }, architecture);
  refuseImpossibleConfig(config.values, files.tensors);
  const { tensors, leftOut: unheld } = planGgufTensors(architecture, config, files.tensors);
  const metadata = new Map<string, MetadataValue>();
  const context = {
    fileType:
      architecture.fileType?.(files, fileTypeNumber(options.fileType)) ?? fileTypeNumber(options.fileType),
    hfNames: new Set(files.tensors.map(({ name }) => name)),
    pooling: files.pooling,
    values: files.values,
  };
  const put = (rules: typeof architecture.parameters): void => {
    for (const rule of rules) {
      const value = rule.toGguf(config, context);
      if (value !== undefined) metadata.set(rule.key.replace(/^~/, architecture.name), value);
    }
  };
  metadata.set("general.architecture", string(architecture.name));
  put(architecture.earlyParameters ?? []);
  metadata.set("general.type", string("model"));
  for (const [key, value] of generalMetadata(files, { name: options.name, tensors }))
    metadata.set(key, value);
  put(architecture.parameters);
  metadata.set("general.quantization_version", u32(2));
  const assumed =
    options.tokenizer === false
      ? []
      : addTokenizerMetadata(metadata, files, config, architecture.name, architecture.tokenizer);
  const unwritten = unwrittenRope(
    config,
    stringOf(metadata.get(`${architecture.name}.rope.scaling.type`)),
    tensors.map(({ name }) => name),
  );
  const contradictions = [...missingParts(tensors), ...ggufFindings(metadata, tensors)];
  const [first] = contradictions;
  if (first !== undefined && options.contradictions !== "report") {
    throw new FormatError(first.message, {
      tensor: first.tensor,
      hint: "The config belongs to another model, or the checkpoint is not complete.",
    });
  }
  return {
    architecture: architecture.name,
    metadata,
    tensors,
    leftOut: [...unheld, ...leftOutModules(files)],
    findings: [
      ...(unwritten === undefined ? [] : [unwritten]),
      ...(architecture.assumptions?.(files, config) ?? []),
      ...assumed,
      ...contradictions,
    ],
  };
}

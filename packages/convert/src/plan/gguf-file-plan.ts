/** Plans GGUF files: names and metadata from `@requant/models`, types from llama-quantize's recipes. */

import {
  ConversionError,
  type Finding,
  FormatError,
  type Metadata,
  type MetadataValue,
  rowLength,
  UsageError,
} from "@requant/core";
import { changeMetadata, chooseTypes, recipeFacts } from "@requant/gguf";
import type { LeftOut } from "@requant/models";
import {
  type GgufModelPlan,
  type HfFiles,
  hfToGguf,
  likeMetadata,
  likeReference,
  type WeightPlan,
} from "@requant/models";
import { addToGroup } from "../model/add-to-group.ts";
import { finding } from "../model/findings/finding.ts";
import type { GgufFacts } from "../model/model.ts";
import { autoType, mainFileType } from "./auto-type.ts";
import { ggufFileName, planGgufFiles } from "./files/gguf-file.ts";
import type { PlannedOutput } from "./format.ts";
import type { PlanSource, PlanSourceTensor, PlanTensor, Target } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import { byName, planTensor, type TypedWeight } from "./plan-tensor.ts";

/** A model under GGUF's names, with the encoding that llama.cpp's converter would give each tensor. */
interface GgufDraft {
  readonly metadata: Metadata;
  readonly weights: readonly DraftWeight[];
  readonly leftOut: readonly LeftOut[];
  readonly findings: readonly Finding[];
}

type DraftWeight = TypedWeight & Pick<WeightPlan, "forceF32">;

/** File types that llama.cpp's converter writes itself, in the checkpoint's order; all others are llama-quantize's. */
const CONVERTER_TYPES: readonly string[] = ["F32", "F16", "BF16", "Q8_0"];

export function planGguf(
  source: PlanSource,
  target: Target,
  options: PlanOptions,
  like: PlanSource | undefined,
): PlannedOutput {
  const type = String(target.settings["type"]);
  const byConverter = source.hf !== undefined && CONVERTER_TYPES.includes(type) && !asksForRecipe(options);
  const draft = draftOf(source, byConverter ? type : undefined, like);
  const sources = byName(source.tensors);
  const { metadata, weights, findings } =
    type === "AUTO"
      ? withAutoTypes(draft, sources, target, options)
      : byConverter
        ? draft
        : withRecipe(draft, type, options);
  const tensors = weights.map((weight) => planTensor(weight, sources));
  const keys = new Map<string, MetadataValue>([...metadata, ...(options.set ?? [])]);
  const files = planGgufFiles(tensors, keys, {
    name: options.outputName ?? ggufFileName(source, type),
    shardSize: options.shardSize,
    partTensorCounts: options.keepSplit === true ? keptParts(source, tensors) : undefined,
  });
  return { tensors, files, leftOut: draft.leftOut, findings };
}

function asksForRecipe(options: PlanOptions): boolean {
  return (
    options.pure === true ||
    options.leaveOutputTensor === true ||
    options.outputTensorType !== undefined ||
    options.tokenEmbeddingType !== undefined ||
    (options.tensorTypes?.length ?? 0) > 0 ||
    (options.pruneLayers?.length ?? 0) > 0
  );
}

function draftOf(source: PlanSource, type: string | undefined, like: PlanSource | undefined): GgufDraft {
  if (like !== undefined && like.gguf === undefined) {
    throw new UsageError("the reference of `like` is not a GGUF file", { path: like.name });
  }
  return source.gguf === undefined
    ? draftFromHf(source, type, like)
    : draftFromGguf(source.tensors, source.gguf, like);
}

function draftFromGguf(
  tensors: PlanSource["tensors"],
  own: GgufFacts,
  like: PlanSource | undefined,
): GgufDraft {
  const fileType = own.metadata.get("general.file_type");
  return {
    metadata:
      like?.gguf === undefined
        ? own.metadata
        : likeMetadata(like.gguf.metadata, typeof fileType?.value === "number" ? fileType.value : 0),
    weights: tensors.map(({ name, shape, encoding }) => ({
      name,
      shape,
      inputs: [{ tensor: name }],
      type: encoding,
    })),
    leftOut: [],
    findings: [],
  };
}

/** The checkpoint's own 16-bit type, F32 for what is neither: as `--outtype auto`, but F32 is not narrowed to F16. */
function ownType(hf: HfFiles): string {
  const first = hf.tensors.find(({ shape }) => shape.length >= 2)?.encoding;
  return first === "F16" || first === "BF16" ? first : "F32";
}

function draftFromHf(source: PlanSource, type: string | undefined, like: PlanSource | undefined): GgufDraft {
  const { hf } = source;
  if (hf === undefined) {
    if (source.tensors.some(({ linear }) => linear !== undefined)) {
      // a file of floats may stand alone; a packed layer means nothing without its model
      throw new FormatError("there is no config.json beside the packed weights", {
        path: source.name,
        hint: "Download the missing files of the model.",
      });
    }
    throw new ConversionError("there is no config.json, so nothing says what model the tensors make", {
      path: source.name,
      hint: "Give the Hugging Face directory, with its config.json and tokenizer.",
    });
  }
  const fileType = type ?? ownType(hf);
  const convert = (files: HfFiles): GgufModelPlan =>
    like?.gguf === undefined
      ? hfToGguf(files, { fileType })
      : likeReference(files, { metadata: like.gguf.metadata, tensors: like.tensors }, { fileType });
  const { plan: converted, dropped } = withoutZeroBiases(hf, source, convert);
  return {
    metadata: converted.metadata,
    weights: converted.tensors.map((plan) => ({ ...plan, type: converterType(plan, fileType) })),
    leftOut: [...converted.leftOut, ...dropped],
    findings: converted.findings,
  };
}

/** Some quantizers give every layer a bias, of zeros where the model has none: where the GGUF has no place for it, it may go. */
function withoutZeroBiases(
  hf: HfFiles,
  source: PlanSource,
  convert: (files: HfFiles) => GgufModelPlan,
): { plan: GgufModelPlan; dropped: readonly LeftOut[] } {
  const zeros = new Set(source.tensors.flatMap(({ name, zero }) => (zero === true ? [name] : [])));
  try {
    return { plan: convert(hf), dropped: [] };
  } catch (error) {
    if (!(error instanceof ConversionError) || !zeros.has(error.tensor ?? "")) throw error;
    const plan = convert({ ...hf, tensors: hf.tensors.filter(({ name }) => !zeros.has(name)) });
    const reason = "a bias of zeros, as some quantizers write it for layers that have none";
    return { plan, dropped: [...zeros].map((name) => ({ name, reason })) };
  }
}

/** The converter's choice for one tensor (llama.cpp, conversion/base.py, `prepare_tensors`). */
function converterType(plan: WeightPlan, fileType: string): string {
  if (plan.inputs.some((input) => "blocks" in input)) return "MXFP4";
  if (plan.forceF32 === true) return "F32";
  return fileType === "Q8_0" && rowLength(plan.shape) % 32 !== 0 ? "F16" : fileType;
}

/** The smallest exact types on top of a draft. */
function withAutoTypes(
  draft: GgufDraft,
  sources: ReadonlyMap<string, PlanSourceTensor>,
  target: Target,
  options: PlanOptions,
): GgufDraft {
  if (asksForRecipe(options) || options.imatrix !== undefined) {
    throw new UsageError("gguf:auto chooses every type itself", {
      hint: "Leave out `pure`, `tensorTypes`, `outputTensorType`, `tokenEmbeddingType`, `imatrix` and the like.",
    });
  }
  const float = target.settings["float"] === "F16" ? "F16" : "exact";
  const reasons = new Map<string, string[]>();
  const weights = draft.weights.map((weight) => {
    const { type, reason } = autoType(weight, sources, float);
    if (reason !== undefined) addToGroup(reasons, reason, `${weight.name} (${type})`);
    return { ...weight, type };
  });
  const findings = [...reasons].map(([reason, names]) =>
    finding(
      "no-block-type",
      `${names.length === 1 ? "1 weight fits" : `${names.length} weights fit`} no block type, the first is ${names[0]}: ${reason}.${
        names[0]?.endsWith("(F32)") === true ? " gguf:auto-f16 rounds them to half the size." : ""
      }`,
    ),
  );
  return {
    ...draft,
    metadata: new Map([...draft.metadata, ["general.file_type", mainFileType(weights)]]),
    weights,
    findings: [...draft.findings, ...findings],
  };
}

/** llama-quantize's types, order and metadata on top of a draft. */
function withRecipe(draft: GgufDraft, type: string, options: PlanOptions): GgufDraft {
  const choices = chooseTypes({
    target: type,
    facts: recipeFacts(draft.metadata),
    tensors: draft.weights.map(({ name, shape, type: encoding }) => ({ name, shape, encoding })),
    imatrix: options.imatrix?.weights,
    imatrixOrigin: options.imatrix?.origin,
    options: {
      pure: options.pure,
      tensorTypes: options.tensorTypes,
      outputTensor: options.outputTensorType,
      tokenEmbedding: options.tokenEmbeddingType,
      leaveOutput: options.leaveOutputTensor,
      allowRequantize: options.allowRequantize,
      pruneLayers: options.pruneLayers,
      keepOrder: options.keepSplit,
    },
  });
  const drafted = new Map(draft.weights.map((weight) => [weight.name, weight]));
  const kept = new Set(choices.tensors.map(({ source: name }) => name));
  const fallbacks = choices.tensors.filter(({ reason }) => reason.startsWith("rows of "));
  return {
    metadata: changeMetadata(draft.metadata, choices.metadata),
    weights: choices.tensors.flatMap((choice): TypedWeight[] => {
      const weight = drafted.get(choice.source);
      if (weight === undefined) return [];
      return [
        {
          name: choice.name,
          shape: weight.shape,
          inputs: weight.inputs,
          type: choice.type,
          ...(choice.importance === undefined ? {} : { importance: choice.importance }),
        },
      ];
    }),
    leftOut: [
      ...draft.leftOut,
      ...draft.weights
        .filter(({ name }) => !kept.has(name))
        .map(({ name }) => ({ name, reason: "its layer is pruned" })),
    ],
    findings: [
      ...draft.findings,
      ...(fallbacks.length === 0
        ? []
        : [
            finding(
              "other-type",
              `${fallbacks.length === 1 ? "1 tensor falls" : `${fallbacks.length} tensors fall`} back to another type: ${fallbacks[0]?.reason ?? ""}.`,
              { tensor: fallbacks[0]?.name },
            ),
          ]),
    ],
  };
}

function keptParts(source: PlanSource, tensors: readonly PlanTensor[]): readonly number[] | undefined {
  const counts = source.gguf?.partTensorCounts;
  if (counts === undefined || counts.length < 2) return undefined;
  if (counts.reduce((sum, count) => sum + count, 0) !== tensors.length) {
    throw new UsageError("the split cannot be kept when layers are left out", { path: source.name });
  }
  return counts;
}

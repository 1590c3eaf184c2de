/** Plans GGUF files: names and metadata from `@requant/models`, types from llama-quantize's recipes. */

import { ConversionError, FormatError, type MetadataValue, rowLength, UsageError } from "@requant/core";
import { SPLIT_KEYS } from "@requant/gguf";
import type { LeftOut } from "@requant/models";
import {
  type GgufModelPlan,
  type HfFiles,
  hfToGguf,
  likeMetadata,
  likeReference,
  type WeightPlan,
} from "@requant/models";
import type { GgufFacts } from "../model/model.ts";
import { adapterDraft, hasBase } from "./adapter.ts";
import { ggufFileName, planGgufFiles } from "./files/gguf-file.ts";
import type { PlannedOutput } from "./format.ts";
import { asksForRecipe, type GgufDraft, withAutoTypes, withNamedTypes, withRecipe } from "./gguf-types.ts";
import { withKeptTypes } from "./kept-types.ts";
import type { PlanSource, PlanTensor, Target } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import { byName, planTensor } from "./plan-tensor.ts";
import { refuseAdapter } from "./refuse-adapter.ts";
import { refuseUnsoundSet } from "./refuse-unsound-set.ts";
import { withTargetSize } from "./sized-draft.ts";
import { withoutIdleScales, withReadScales, withTensorScales } from "./tensor-scales.ts";

/** File types that llama.cpp's converter writes itself, in the checkpoint's order; all others are llama-quantize's. */
export const CONVERTER_TYPES: readonly string[] = ["F32", "F16", "BF16", "Q8_0"];

export function planGguf(
  source: PlanSource,
  target: Target,
  options: PlanOptions,
  like: PlanSource | undefined,
): PlannedOutput {
  const type = String(target.settings["type"]);
  refuseSplitKeys(options);
  refuseContradictions(options);
  const byConverter =
    (source.hf ?? source.base) !== undefined && CONVERTER_TYPES.includes(type) && !asksForRecipe(options);
  const drafted = draftOf(source, byConverter ? type : undefined, { like, tokenizer: options.tokenizer });
  const architecture = drafted.metadata.get("general.architecture")?.value;
  const sources = withReadScales(byName(source.tensors), architecture);
  const draft = withKeptTypes(drafted, { sources, byConverter, exact: options.exact === true });
  const finish = ({ metadata, weights, leftOut, findings }: GgufDraft): PlannedOutput => {
    const stored = withoutIdleScales(weights, sources);
    const tensors = withTensorScales(stored.weights, sources).map((weight) => planTensor(weight, sources));
    const keys = new Map<string, MetadataValue>([...metadata, ...(options.set ?? [])]);
    if ((options.set?.size ?? 0) > 0) refuseUnsoundSet(metadata, keys, tensors);
    const files = planGgufFiles(tensors, keys, {
      name: options.outputName ?? ggufFileName(source, type),
      shardSize: options.shardSize,
      partTensorCounts: options.keepSplit === true ? keptParts(source, tensors) : undefined,
    });
    return { tensors, files, leftOut: [...leftOut, ...stored.leftOut], findings };
  };
  if (options.targetSize !== undefined) {
    return finish(withTargetSize(draft, target, { ...options, targetSize: options.targetSize }, finish));
  }
  return finish(
    type === "AUTO"
      ? withAutoTypes(draft, sources, target, options)
      : byConverter
        ? withNamedTypes(draft, unquantized(draft), options)
        : withRecipe(draft, type, options),
  );
}

/** Options that ask for two different things of the same tensor or file. */
const CONTRADICTIONS: readonly (readonly [keyof PlanOptions, keyof PlanOptions])[] = [
  ["keepSplit", "shardSize"],
  ["outputTensorType", "leaveOutputTensor"],
];

function refuseContradictions(options: PlanOptions): void {
  const isGiven = (name: keyof PlanOptions): boolean =>
    options[name] !== undefined && options[name] !== false;
  const found = CONTRADICTIONS.find((pair) => pair.every(isGiven));
  if (found === undefined) return;
  throw new UsageError(`\`${found[0]}\` and \`${found[1]}\` contradict each other.`, {
    hint: "Give one of them.",
  });
}

/** How many files there are, and which is which, is not the user's to say. */
function refuseSplitKeys({ set }: PlanOptions): void {
  const key = Object.values(SPLIT_KEYS).find((name) => set?.has(name) === true);
  if (key === undefined) return;
  throw new UsageError(`The key ${key} cannot be set: it follows from the files that are written.`, {
    hint: "Leave it out, and use `shardSize` or `keepSplit` to split the output.",
  });
}

/** The source of a draft whose Q8_0 is the converter's own choice. */
function unquantized(draft: GgufDraft): GgufDraft {
  const weights = draft.weights.map((weight) =>
    weight.type === "Q8_0" ? { ...weight, type: "F32" } : weight,
  );
  return { ...draft, weights };
}

/** Where the tokenizer comes from: a reference, or the source unless `tokenizer` is false. */
interface DraftTokenizer {
  readonly like: PlanSource | undefined;
  readonly tokenizer: boolean | undefined;
}

function draftOf(source: PlanSource, type: string | undefined, from: DraftTokenizer): GgufDraft {
  const { like } = from;
  if (like !== undefined && like.gguf === undefined) {
    throw new UsageError("The reference of `like` is not a GGUF file.", { path: like.name });
  }
  if (hasBase(source)) {
    const draft = adapterDraft(source, type);
    const weights = draft.weights.map((plan) => ({ ...plan, type: converterType(plan, type ?? "F32") }));
    return { ...draft, weights };
  }
  return source.gguf === undefined
    ? draftFromHf(source, type, from)
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

function draftFromHf(
  source: PlanSource,
  type: string | undefined,
  { like, tokenizer }: DraftTokenizer,
): GgufDraft {
  const { hf } = source;
  refuseAdapter(source);
  if (hf === undefined) {
    if (source.tensors.some(({ linear }) => linear !== undefined)) {
      // a file of floats may stand alone; a packed layer means nothing without its model
      throw new FormatError("There is no config.json beside the packed weights.", {
        path: source.name,
        hint: "Download the missing files of the model.",
      });
    }
    throw new ConversionError("There is no config.json, so nothing says what model the tensors make.", {
      path: source.name,
      hint: "Give the Hugging Face directory, with its config.json and tokenizer.",
    });
  }
  const fileType = type ?? ownType(hf);
  const convert = (files: HfFiles): GgufModelPlan =>
    like?.gguf === undefined
      ? hfToGguf(files, { fileType, ...(tokenizer === false ? { tokenizer } : {}) })
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
export function converterType(plan: WeightPlan, fileType: string): string {
  if (plan.forceF32 === true) return "F32";
  return fileType === "Q8_0" && rowLength(plan.shape) % 32 !== 0 ? "F16" : fileType;
}

function keptParts(source: PlanSource, tensors: readonly PlanTensor[]): readonly number[] {
  const counts = source.gguf?.partTensorCounts;
  if (counts === undefined || counts.length < 2) {
    throw new UsageError("There is no split to keep: the source is not a GGUF of several parts.", {
      path: source.name,
      hint: "Leave `keepSplit` out, or give `shardSize` to split the output.",
    });
  }
  if (counts.reduce((sum, count) => sum + count, 0) !== tensors.length) {
    throw new UsageError("The split cannot be kept when layers are left out.", { path: source.name });
  }
  return counts;
}

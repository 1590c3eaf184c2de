/** What plans and runs tell: the model itself need not be at fault. */
import type { Finding } from "@requant/core";
import type { FindingKind } from "./kind.ts";

const packedTarget = "Nothing needs to be done; the plan names what each weight becomes.";

/** Codes of findings that a plan has before anything is written. */
export type PlanFindingCode =
  | "assumed"
  | "not-stored"
  | "tokenizer-differs"
  | "no-template"
  | "llamafied"
  | "own-groups"
  | "not-exact"
  | "exact-targets"
  | "left-in-floats"
  | "rounded-to-nearest"
  | "not-calibrated"
  | "few-tokens"
  | "other-model"
  | "partly-packed"
  | "no-block-type"
  | "other-type"
  | "not-used"
  | "sized-types"
  | "merged"
  | "no-folding"
  | "folded-scales"
  | "unscaled";

/** What a code of a plan means. */
export interface PlanFindingKind extends FindingKind {
  /** It is about the values that the target gives, so that it holds when they are stored as floats again, too. */
  readonly ofValues?: true;
}

export const planKinds: Readonly<Record<PlanFindingCode, PlanFindingKind>> = {
  assumed: {
    severity: "note",
    meaning: "The source does not give a value that the target needs, and one was taken.",
    hint: "Compare the value with the original model, and correct it in the output where it differs.",
  },
  "not-stored": {
    severity: "note",
    meaning: "The target has no place for something that the source gives.",
    hint: "Use a target that holds it, or add it to the output by hand.",
  },
  "tokenizer-differs": {
    severity: "note",
    meaning: "The original tokenizer and llama.cpp treat some texts differently.",
    hint: "Compare the token ids of a few texts before you rely on them.",
  },
  "no-template": {
    severity: "note",
    meaning: "The source has no chat template, so the output has none.",
    hint: "Set `tokenizer.chat_template` in the output, if the model is one for chats.",
  },
  llamafied: {
    severity: "note",
    meaning: "The Llama that is written differs from the original class in something.",
    hint: "Keep the original class where this matters.",
  },
  "own-groups": {
    severity: "note",
    meaning: "Some weights keep groups that the configuration's one group size does not describe.",
    hint: "Use a reader that goes by g_idx.",
  },
  "not-exact": {
    severity: "note",
    meaning: "Packed weights change in the conversion; the message says why.",
    hint: "Choose a target that keeps the values, or give `exact` to refuse the conversion.",
  },
  "exact-targets": {
    severity: "note",
    meaning: "Other targets would keep every packed weight as it is.",
    hint: "Choose one of them if the values must not change.",
  },
  "left-in-floats": {
    severity: "note",
    meaning: "Some matrices are not quantized: the target does not, or the source stores them as floats.",
    hint: packedTarget,
  },
  "rounded-to-nearest": {
    severity: "note",
    meaning:
      "New codes are rounded to the nearest one, where the format's own tools calibrate on data. An importance matrix, if one is given, weights the grid.",
    hint: "Compare the output with the source on your own texts; convert a calibrated checkpoint where the loss matters.",
  },
  "not-calibrated": {
    severity: "warning",
    meaning: "Some weights get new codes without calibration, although others are calibrated.",
    hint: "Use statistics, or an importance matrix, that have an entry for each weight that is quantized.",
    ofValues: true,
  },
  "few-tokens": {
    severity: "warning",
    meaning:
      "Calibration statistics have fewer tokens than a weight has columns, so that they say nothing about some directions of its inputs.",
    hint: "Calibrate with more text.",
    ofValues: true,
  },
  "other-model": {
    severity: "warning",
    meaning: "Calibration statistics were made of another model than the one that they are used for.",
    hint: "Use statistics of this model, or of one with the same weights in another format.",
  },
  "partly-packed": {
    severity: "warning",
    meaning: "A block of layers that a reader of the target takes as one is packed only in part.",
    hint: "Give `requantizeRest` to quantize the float layers too, or choose another target.",
  },
  "no-block-type": {
    severity: "note",
    meaning: "No block type of GGUF holds a weight exactly, so that it is written as floats.",
    hint: packedTarget,
  },
  "other-type": {
    severity: "note",
    meaning: "The rows of a tensor are no whole blocks of the type asked for, so that it gets another type.",
    hint: packedTarget,
    ofValues: true,
  },
  "sized-types": {
    severity: "note",
    meaning: "Types, or widths, were chosen so that the output has the size that was asked for.",
    hint: "Choose another `targetSize` to trade size for loss.",
  },
  "not-used": {
    severity: "warning",
    meaning: "Something that was asked for, or a part of the importance matrix, has no effect on the output.",
    hint: "Leave it out, or correct it.",
    ofValues: true,
  },
  merged: {
    severity: "note",
    meaning: "The updates of a LoRA adapter were added to weights; the finding names them.",
    hint: "Nothing needs to be done: all other weights are those of the base model.",
  },
  "no-folding": {
    severity: "note",
    meaning:
      "Scales per input channel are not searched for some layers, because it is not known which weights read what would be divided.",
    hint: "Nothing needs to be done: these weights are quantized without such scales.",
  },
  "folded-scales": {
    severity: "note",
    meaning:
      "Scales per input channel were searched with the calibration statistics: weights are multiplied by them, and the norm or layer before is divided, so that the model computes the same.",
    hint: "Nothing needs to be done; single weights and norms differ from those of the source by these scales, so that `verify` reports them as changed.",
  },
  unscaled: {
    severity: "note",
    meaning: "The format's own tools search scales per input channel, and this plan was made without.",
    hint: "The command `convert` searches them by itself; in code, plan the model that `scaledModel` gives.",
  },
};

const codesOfValues: ReadonlySet<string> = new Set(
  Object.entries(planKinds).flatMap(([code, { ofValues = false }]) => (ofValues ? [code] : [])),
);

/** True for what a plan tells about the values that the target gives. */
export function isOfValues({ code }: Finding): boolean {
  return codesOfValues.has(code);
}

/** Codes of findings that a run has. */
export type RunFindingCode = "became-non-finite" | "kept" | "compared" | "unused-expert";

export const runKinds: Readonly<Record<RunFindingCode, FindingKind>> = {
  "became-non-finite": {
    severity: "error",
    meaning: "Weights that were finite are no longer finite once they are stored.",
    hint: "Choose a type with a larger range, such as BF16 or F32.",
  },
  kept: {
    severity: "note",
    meaning: "A run was interrupted, and what it had finished is kept.",
    hint: "Run again with `resume` to go on.",
  },
  "unused-expert": {
    severity: "warning",
    meaning: "No token of a calibration text reached some experts, so that nothing is known of their inputs.",
    hint: "Calibrate with more text, or with text of more kinds.",
  },
  compared: {
    severity: "note",
    meaning: "There was nothing left to resume: the output was complete, and was compared.",
    hint: "Nothing needs to be done.",
  },
};

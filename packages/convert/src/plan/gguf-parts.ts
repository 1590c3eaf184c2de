/** The files of a multimodal model: its text model, the projector from images or sound to its embeddings, or both. */
import { ConversionError, UsageError } from "@requant/core";
import { projectorToGguf } from "@requant/models";
import { ggufFileName, planGgufFiles } from "./files/gguf-file.ts";
import type { PlannedOutput } from "./format.ts";
import { CONVERTER_TYPES, converterType, planGguf } from "./gguf-file-plan.ts";
import { withNamedTypes } from "./gguf-types.ts";
import type { PlanFile, PlanSource, Target } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import { byName, planTensor } from "./plan-tensor.ts";
import { givenOptions } from "./refuse-options.ts";

/** The type of a projector beside a text model of a type that only llama-quantize writes. */
const USUAL_TYPE = "F16";

export function planGgufParts(
  source: PlanSource,
  target: Target,
  options: PlanOptions,
  like: PlanSource | undefined,
): PlannedOutput {
  const { part = "text" } = options;
  if (part === "text") return planGguf(source, target, options, like);
  const type = String(target.settings["type"]);
  if (part === "mmproj") {
    refuseOthers({ ...options, like: like === undefined ? undefined : options.like });
    return planProjector(source, type, options);
  }
  const text = planGguf(source, target, options, like);
  const name = options.outputName ?? ggufFileName(source, type);
  const projector = planProjector(source, CONVERTER_TYPES.includes(type) ? type : USUAL_TYPE, {
    ...options,
    tensorTypes: undefined,
    outputName: `mmproj-${name}`,
  });
  return joined(text, projector);
}

/** Both outputs in one plan. What one file holds is not left out by the other. */
function joined(text: PlannedOutput, projector: PlannedOutput): PlannedOutput {
  const offset = text.tensors.length;
  const moved = projector.files.map(
    (file): PlanFile =>
      file.kind === "gguf" ? { ...file, tensors: file.tensors.map((index) => offset + index) } : file,
  );
  const inNeither = new Set(projector.leftOut.map(({ name }) => name));
  return {
    tensors: [...text.tensors, ...projector.tensors],
    files: [...text.files, ...moved],
    leftOut: text.leftOut.filter(({ name }) => inNeither.has(name)),
    findings: [...text.findings, ...projector.findings],
  };
}

/** Options that say something about a projector; the others are about language models. */
const TAKEN: readonly (keyof PlanOptions)[] = [
  "allowRequantize",
  "exact",
  "outputName",
  "part",
  "set",
  "shardSize",
  "signal",
  "tensorTypes",
];

/** @throws UsageError for an option that would have no effect */
function refuseOthers(options: PlanOptions): void {
  const other = givenOptions(options).find((name) => !TAKEN.includes(name));
  if (other === undefined) return;
  throw new UsageError(`\`${other}\` has no effect on a projector.`, {
    hint: "Leave it out, or convert the text model.",
  });
}

function planProjector(source: PlanSource, type: string, options: PlanOptions): PlannedOutput {
  const { hf } = source;
  if (hf === undefined) {
    throw new ConversionError("There is no config.json, so nothing says what projector the model has.", {
      path: source.name,
      hint: "Give the Hugging Face directory of the whole model.",
    });
  }
  if (!CONVERTER_TYPES.includes(type)) {
    throw new UsageError(`A projector is not stored as ${type}: llama-quantize does not take projectors.`, {
      hint: `Choose ${CONVERTER_TYPES.map((each) => `gguf:${each.toLowerCase()}`).join(", ")}.`,
    });
  }
  const { metadata, tensors: planned, leftOut } = projectorToGguf(hf, type);
  const draft = {
    metadata,
    weights: planned.map(({ type: own, ...plan }) => ({ ...plan, type: own ?? converterType(plan, type) })),
    leftOut,
    findings: [],
  };
  const { weights } = withNamedTypes(draft, draft, options);
  const sources = byName(source.tensors);
  const tensors = weights.map((weight) => planTensor(weight, sources));
  const keys = new Map([...metadata, ...(options.part === "all" ? [] : (options.set ?? []))]);
  const files = planGgufFiles(tensors, keys, {
    name: options.outputName ?? ggufFileName(source, type),
    shardSize: options.shardSize,
  });
  return { tensors, files, leftOut, findings: [] };
}

/**
 * `--llamafy`: any target is planned from the Llama that the source amounts to; then each of its inputs is said in
 * terms of the stored tensors, so that the plan needs nothing but the source.
 */
import { ConversionError, elementCount } from "@requant/core";
import { composeInputs, isRowSelection, llamafy, plannedSources, type WeightPlan } from "@requant/models";
import { encodedByteLength } from "../model/encodings.ts";
import type { PlannedOutput } from "./format.ts";
import type { PlanSource, PlanSourceTensor, PlanTensor } from "./plan.ts";
import { byName, planned, planTensor, storedFor } from "./plan-tensor.ts";
import { guideNames } from "./way.ts";

export interface LlamafiedSource {
  /** The Llama, with its tensors as if they were stored. */
  readonly source: PlanSource;
  /** A plan made from it, in terms of the real source. */
  restate(output: PlannedOutput): PlannedOutput;
}

/** Code that a checkpoint brings for a class of its own: a Llama needs none. */
const OWN_CODE = /\.py$/i;

/** A tensor of the Llama, as if it were stored: packed where its source is, with the integers of its rows. */
function llamaTensor(
  { name, shape, encoding }: Pick<PlanSourceTensor, "name" | "shape" | "encoding">,
  plan: WeightPlan | undefined,
  stored: ReadonlyMap<string, PlanSourceTensor>,
): PlanSourceTensor {
  const sources =
    plan === undefined ? [] : plannedSources(plan).flatMap((source) => stored.get(source) ?? []);
  const packed = sources.find(({ linear }) => linear !== undefined);
  const [only, ...others] = sources;
  const whole = plan !== undefined && others.length === 0 && isRowSelection(plan);
  return {
    name,
    shape,
    encoding,
    byteOffset: 0,
    byteLength:
      packed === undefined
        ? encodedByteLength(encoding, elementCount(shape), name)
        : sources.reduce((sum, { byteLength }) => sum + byteLength, 0),
    ...(packed === undefined ? {} : { linear: packed.linear }),
    ...(whole && only?.view !== undefined ? { view: only.view } : {}),
    ...(whole && only?.costs !== undefined ? { costs: only.costs } : {}),
  };
}

/** @throws ConversionError when the source is no Hugging Face checkpoint, or not the equal of a Llama. */
export function llamafied(source: PlanSource): LlamafiedSource {
  const { hf } = source;
  if (hf === undefined) {
    throw new ConversionError("`llamafy` needs a Hugging Face directory with its config.json.", {
      path: source.name,
      hint: source.gguf === undefined ? undefined : "Convert the GGUF to safetensors first.",
    });
  }
  const plan = llamafy(hf);
  const plans = new Map(plan.tensors.map((tensor) => [tensor.name, tensor]));
  const encoder = new TextEncoder();
  const sideFiles = [...(source.sideFiles ?? [])].filter(([name]) => !OWN_CODE.test(name));
  const dropped = [...(source.sideFiles?.keys() ?? [])].filter((name) => OWN_CODE.test(name));
  const stored = byName(source.tensors);
  return {
    source: {
      ...source,
      architecture: "LlamaForCausalLM",
      hf: plan.files,
      sideFiles: new Map([
        ...sideFiles,
        ...[...plan.rewritten].map(([name, text]) => [name, encoder.encode(text)] as const),
      ]),
      tensors: plan.files.tensors.map((tensor) => llamaTensor(tensor, plans.get(tensor.name), stored)),
    },
    restate(output) {
      return {
        ...output,
        tensors: output.tensors.map((tensor): PlanTensor => {
          const inputs = composeInputs(tensor.inputs, plans);
          const { name, shape, to: type } = tensor;
          if (tensor.linear === undefined) {
            // a split bias or a bias of zeros is no whole row of the source
            return planTensor({ name, shape, inputs, type, guides: guideNames(tensor) }, stored);
          }
          return planned({ name, shape, inputs }, storedFor({ name, shape, inputs }, stored), tensor, tensor);
        }),
        leftOut: [
          ...plan.leftOut,
          ...dropped.map((name) => ({
            name,
            reason: "code of the original class, which a Llama does not need",
          })),
          ...output.leftOut,
        ],
        findings: [...plan.findings, ...output.findings],
      };
    },
  };
}

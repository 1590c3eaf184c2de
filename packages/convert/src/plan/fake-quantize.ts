/**
 * Fake quantization: a float model whose weights went through a target and back, under the source's names. What a
 * quantized model computes with, for any framework that runs the float one.
 */

import { ConversionError, elementCount, type Finding, rowLength, UsageError } from "@requant/core";
import { isRowSelection, plannedSources, type WeightPlan } from "@requant/models";
import { completeFinding, finding } from "../model/findings/finding.ts";
import { isOfValues } from "../model/findings/work-kinds.ts";
import type { Model } from "../model/model.ts";
import { isIntegerEncoding, isLossless } from "./fidelity.ts";
import { planSafetensorsFiles } from "./files/safetensors-file.ts";
import { planSideFile } from "./files/side-file.ts";
import type { Format } from "./format.ts";
import { ggufAsHf } from "./gguf-as-hf.ts";
import { assemblePlan, codeFindings, formatOf, makePlan, readSourceFor } from "./make-plan.ts";
import { otherModelFindings } from "./other-model.ts";
import type { Plan, PlanSource, PlanTensor, Target } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import { byName, planTensorAs, storedFor } from "./plan-tensor.ts";
import { givenOptions } from "./refuse-options.ts";
import { scaleFindings } from "./scale-findings.ts";
import { floatSideFiles, type SideFileContent, staleConfigFindings } from "./side-files.ts";
import { targetFormats } from "./target-formats.ts";
import { guideNames, type PlanThrough } from "./way.ts";

/** How `planFakeQuantize` plans. */
export interface FakeQuantizePlanOptions extends PlanOptions {
  /** What the values are stored in afterwards. F32, the default, holds all of them. */
  readonly dtype?: "F32" | "F16" | "BF16" | undefined;
}

const DTYPES = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;

/**
 * Plans the float model. Run it as any other plan.
 * @throws ConversionError as `planConversion` would for the target
 */
export async function planFakeQuantize(
  model: Model,
  target: Target,
  options: FakeQuantizePlanOptions = {},
  list: readonly Format[] = targetFormats,
): Promise<Plan> {
  if (options.exact === true) {
    throw new UsageError("Fake quantization changes weights on purpose.", { hint: "Leave out `exact`." });
  }
  refuseUnusedOptions(options);
  const source = await readSourceFor(model, target, options, list);
  const { dtype = "F32", ...planOptions } = options;
  const real = makePlan(source, target, planOptions, undefined, list);
  const { weights, files, findings } = floatDraft(source, dtype);
  const targets = targetsBySource(real.tensors);
  const sources = byName(source.tensors);
  const left: string[] = [];
  const tensors = weights.map((weight): PlanTensor => {
    const integers = storedFor(weight, sources).find(({ encoding }) => isIntegerEncoding(encoding));
    const encoding = integers?.encoding ?? dtype;
    const seen = seenAs(weight, targets);
    if (seen === undefined && isMatrix(weight)) left.push(weight.name);
    const layout: Parameters<typeof planTensorAs>[1] =
      seen === undefined || integers !== undefined
        ? { kind: "tensor", encoding }
        : { kind: "through", encoding, through: seen.through, lossless: seen.lossless };
    return planTensorAs(weight, layout, sources);
  });
  return assemblePlan(
    source,
    {
      format: "safetensors",
      settings: { type: dtype },
      text: `safetensors:${dtype.toLowerCase()} through ${target.text}`,
    },
    {
      tensors,
      files: [
        ...planSafetensorsFiles(tensors, source.fileMetadata ?? { format: "pt" }, {
          shardSize: options.shardSize,
        }),
        ...files.map(([name, content]) => planSideFile(name, content)),
      ],
      leftOut: [],
      findings: [
        ...scaleFindings(real, model),
        ...real.findings.filter(isOfValues).map((found) => completeFinding(found)),
        ...codeFindings(real, formatOf(target, list), planOptions),
        ...(await otherModelFindings(model, options)),
        ...findings,
        ...(left.length === 0
          ? []
          : [
              finding(
                "left-in-floats",
                `${left.length} matrices keep their values, the first is ${left[0]}: the target does not quantize them, or not row by row.`,
                { tensor: left[0] },
              ),
            ]),
      ],
    },
  );
}

/** Options about files that are not written: the float model is a directory. */
const OF_TARGET_FILES = [
  "set",
  "like",
  "keepSplit",
  "targetSize",
] as const satisfies readonly (keyof PlanOptions)[];

function refuseUnusedOptions(options: PlanOptions): void {
  const given = givenOptions(options);
  const unused = OF_TARGET_FILES.filter((option) => given.includes(option));
  if (unused.length === 0) return;
  throw new UsageError(
    `Fake quantization writes a float model in safetensors, which has no use for ${unused.map((option) => `\`${option}\``).join(", ")}.`,
    { hint: `Leave ${unused.length === 1 ? "it" : "them"} out.` },
  );
}

interface FloatDraft {
  readonly weights: readonly WeightPlan[];
  readonly files: readonly SideFileContent[];
  readonly findings: readonly Finding[];
}

function floatDraft(source: PlanSource, dtype: keyof typeof DTYPES): FloatDraft {
  if (source.gguf === undefined) {
    return {
      weights: source.tensors.map(({ name, shape }) => ({ name, shape, inputs: [{ tensor: name }] })),
      files: floatSideFiles(source, DTYPES[dtype]),
      findings: staleConfigFindings(source),
    };
  }
  const made = ggufAsHf(source, dtype);
  return { weights: made.tensors, files: [...made.files], findings: made.findings };
}

/** What the target makes of the rows of a stored tensor. */
interface SeenRows {
  readonly through: PlanThrough;
  readonly lossless: boolean;
  readonly rowLength: number;
}

/** By stored tensor, where the target takes its rows whole. */
function targetsBySource(tensors: readonly PlanTensor[]): ReadonlyMap<string, SeenRows> {
  const found = new Map<string, SeenRows>();
  for (const tensor of tensors) {
    if (!isRowSelection(tensor)) continue;
    const { to, linear, shape, fidelity } = tensor;
    const guides = guideNames(tensor);
    const through: PlanThrough =
      linear === undefined
        ? { kind: "blocks", to, ...guides }
        : { kind: "packed", to, weight: linear, ...guides };
    for (const name of plannedSources(tensor)) {
      found.set(name, { through, lossless: isLossless(fidelity), rowLength: rowLength(shape) });
    }
  }
  return found;
}

function seenAs(weight: WeightPlan, targets: ReadonlyMap<string, SeenRows>): SeenRows | undefined {
  const [source, ...others] = plannedSources(weight);
  if (source === undefined || others.length > 0 || !isRowSelection(weight)) return undefined;
  const seen = targets.get(source);
  if (seen === undefined || seen.rowLength !== rowLength(weight.shape)) return undefined;
  const { through } = seen;
  if (through.kind === "packed" && elementCount(weight.shape) !== layoutSize(through.weight.layout)) {
    throw new ConversionError(`A part of ${source} alone cannot go through ${through.to}.`, {
      tensor: weight.name,
    });
  }
  return seen;
}

function layoutSize(layout: Readonly<Record<string, unknown>>): number {
  return Number(layout["rows"]) * Number(layout["columns"]);
}

function isMatrix({ name, shape }: WeightPlan): boolean {
  return shape.length >= 2 && name.endsWith(".weight");
}

/**
 * Fake quantization: a float model whose weights went through a target and back, under the source's names. What a
 * quantized model computes with, for any framework that runs the float one.
 */

import { ConversionError, elementCount, type Finding, rowLength, UsageError } from "@requant/core";
import { isRowSelection, plannedSources, type WeightPlan } from "@requant/models";
import { encodedByteLength } from "../model/encodings.ts";
import { finding } from "../model/findings/finding.ts";
import type { Model } from "../model/model.ts";
import { refuseFamilyCodes } from "../model/packed-sources.ts";
import { isIntegerEncoding, isLossless } from "./fidelity.ts";
import { planSafetensorsFiles } from "./files/safetensors-file.ts";
import { planSideFile } from "./files/side-file.ts";
import type { Format } from "./format.ts";
import { ggufAsHf } from "./gguf-as-hf.ts";
import { assemblePlan, makePlan, readSourceFor } from "./make-plan.ts";
import type { Plan, PlanSource, PlanTensor, PlanThrough, Target } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import { floatSideFiles, type SideFileContent } from "./side-files.ts";
import { targetFormats } from "./target-formats.ts";
import { byName, fromText } from "./way.ts";

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
    throw new UsageError("fake quantization changes weights on purpose", { hint: "Leave out `exact`." });
  }
  const source = await readSourceFor(model, target, options, list);
  refuseFamilyCodes(source, "no float type holds their bytes");
  const real = makePlan(source, target, options, undefined, list);
  const { dtype = "F32" } = options;
  const { weights, files, findings } = floatDraft(source, dtype);
  const ways = waysBySource(real.tensors);
  const sources = byName(source.tensors);
  const left: string[] = [];
  const tensors = weights.map((weight): PlanTensor => {
    const way = wayOf(weight, ways);
    if (way === undefined && isMatrix(weight)) left.push(weight.name);
    const stored = plannedSources(weight).flatMap((name) => sources.get(name) ?? []);
    const integers = stored.find(({ encoding }) => isIntegerEncoding(encoding))?.encoding;
    const to = integers ?? dtype;
    return {
      name: weight.name,
      shape: weight.shape,
      from: fromText([...new Set(stored.map(({ encoding }) => encoding))]),
      to,
      fidelity: integers === undefined ? fidelityThrough(way, dtype) : "copy",
      byteLength: encodedByteLength(to, elementCount(weight.shape), weight.name),
      inputs: weight.inputs,
      ...(way === undefined || integers !== undefined ? {} : { through: way.through }),
    };
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
      findings: [],
    };
  }
  const made = ggufAsHf(source, dtype);
  return { weights: made.tensors, files: [...made.files], findings: made.findings };
}

interface Way {
  readonly through: PlanThrough;
  readonly lossless: boolean;
  readonly rowLength: number;
}

/** What the target would make of each tensor of the source, where it takes its rows whole. */
function waysBySource(tensors: readonly PlanTensor[]): ReadonlyMap<string, Way> {
  const ways = new Map<string, Way>();
  for (const tensor of tensors) {
    if (!isRowSelection(tensor)) continue;
    const { to, linear, importance, shape, fidelity } = tensor;
    const through: PlanThrough =
      linear === undefined
        ? { kind: "blocks", to, ...(importance === undefined ? {} : { importance }) }
        : { kind: "packed", to, weight: linear };
    for (const name of plannedSources(tensor)) {
      ways.set(name, { through, lossless: isLossless(fidelity), rowLength: rowLength(shape) });
    }
  }
  return ways;
}

function wayOf(weight: WeightPlan, ways: ReadonlyMap<string, Way>): Way | undefined {
  const [source, ...others] = plannedSources(weight);
  if (source === undefined || others.length > 0 || !isRowSelection(weight)) return undefined;
  const way = ways.get(source);
  if (way === undefined || way.rowLength !== rowLength(weight.shape)) return undefined;
  const { through } = way;
  if (through.kind === "packed" && elementCount(weight.shape) !== layoutSize(through.weight.layout)) {
    throw new ConversionError(`a part of ${source} alone cannot go through ${through.to}`, {
      tensor: weight.name,
    });
  }
  return way;
}

function layoutSize(layout: Readonly<Record<string, unknown>>): number {
  return Number(layout["rows"]) * Number(layout["columns"]);
}

function isMatrix({ name, shape }: WeightPlan): boolean {
  return shape.length >= 2 && name.endsWith(".weight");
}

/** F32 holds what a target holds; a narrower type rounds it once more. */
function fidelityThrough(way: Way | undefined, dtype: string): PlanTensor["fidelity"] {
  if (way !== undefined && !way.lossless) return "requantized";
  return dtype === "F32" ? "exact" : "rounded";
}

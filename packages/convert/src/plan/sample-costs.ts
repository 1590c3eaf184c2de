/** What each choice of a target's layouts would cost in every matrix, from a few of its rows. */
import { ConversionError, rowCount } from "@requant/core";
import type { WeightSampling } from "@requant/core/format";
import type { Model, ModelTensor } from "../model/model.ts";
import { ownPlan } from "../model/own-plan.ts";
import { mayNarrow } from "./auto-type.ts";
import { isIntegerEncoding } from "./fidelity.ts";
import { isLinearWeight } from "./linear-modules.ts";
import { type GuideReader, sourceGuides } from "./measuring-guides.ts";
import type { PlanSource, PlanSourceTensor } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import type { OutputWeight } from "./typed-weight.ts";

/** The tensors of the source with their costs: of the layers' outputs where statistics or an importance matrix are known. */
export async function sampledTensors(
  model: Model,
  source: PlanSource,
  sampling: WeightSampling,
  options: Pick<PlanOptions, "signal" | "imatrix" | "statistics">,
): Promise<readonly PlanSourceTensor[]> {
  const guideOf = sourceGuides(source, options);
  const seen = new Map(source.tensors.map((tensor) => [tensor.name, tensor]));
  const tensors: PlanSourceTensor[] = [];
  for (const tensor of model.tensors) {
    options.signal?.throwIfAborted();
    const own = seen.get(tensor.name);
    if (own === undefined) continue;
    const costs = await sampledCosts(model, tensor, sampling, guideOf);
    tensors.push(costs === undefined ? own : { ...own, costs });
  }
  return tensors;
}

/** Of matrices that the target could pack, from a few rows. */
async function sampledCosts(
  model: Model,
  tensor: ModelTensor,
  sampling: WeightSampling,
  guideOf: GuideReader<OutputWeight> | undefined,
): Promise<readonly number[] | undefined> {
  const { name, shape, encoding } = tensor;
  const columns = shape.at(-1) ?? 0;
  const linear = model.naming === "gguf" ? mayNarrow(name, shape) : isLinearWeight(tensor, model.hf?.config);
  if (!linear || columns % sampling.columnMultiple !== 0 || isIntegerEncoding(encoding)) return undefined;
  const rows = rowCount(shape);
  const picked = sampling.rowsOf(rows);
  const sample = new Float32Array(picked.length * columns);
  for (const [index, row] of picked.entries()) {
    await model.weight(name).readRows(row, row + 1, sample.subarray(index * columns, (index + 1) * columns));
  }
  refuseNonFiniteSample(name, sample, picked, columns);
  try {
    return sampling.costs(sample, rows, columns, await guideOf?.(ownPlan(tensor), 0));
  } catch (error) {
    if (!(error instanceof ConversionError) || error.tensor !== undefined) throw error;
    throw new ConversionError(error.message, { tensor: name, hint: error.hint, cause: error });
  }
}

/** What is measured must be numbers; the row is that of the weight, not of the sample. */
function refuseNonFiniteSample(
  name: string,
  sample: Float32Array,
  rows: readonly number[],
  columns: number,
): void {
  const at = sample.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const [row, column] = [rows[Math.floor(at / columns)] ?? 0, at % columns];
  const index = row * columns + column;
  throw new ConversionError(
    `Weight ${index} [${row}, ${column}] of ${name} is ${sample[at]}; packed targets hold finite weights only.`,
    {
      tensor: name,
      index,
      reason: "non-finite",
      hint: "Correct the weight in the source, or choose a float target: safetensors:bf16, gguf:bf16, safetensors:f32 or gguf:f32.",
    },
  );
}

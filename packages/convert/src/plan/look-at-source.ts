/** The tensors of a source with what a plan must know about them. */
import { ConversionError } from "@requant/core";

import type { WeightSampling } from "@requant/core/format";
import { exactTypes, viewSourceByName } from "@requant/gguf";
import type { Model, ModelTensor } from "../model/model.ts";
import type { PackedReads } from "../model/stored-weight.ts";
import { mayNarrow } from "./auto-type.ts";
import { isIntegerEncoding } from "./fidelity.ts";
import type { SourceNeeds } from "./format.ts";
import { isLinearWeight } from "./linear-modules.ts";
import { blockFacts, measuredFacts, narrowestFloat } from "./look.ts";
import type { PlanSourceTensor } from "./plan.ts";

/** Small parts of linear weights always, values only where `needs` asks for what they tell. */
export async function lookedAt(
  model: Model,
  needs: SourceNeeds,
  signal: AbortSignal | undefined,
): Promise<readonly PlanSourceTensor[]> {
  const tensors: PlanSourceTensor[] = [];
  const packed = new Set(model.tensors.flatMap(({ name, linear }) => (linear === undefined ? [] : [name])));
  for (const tensor of model.tensors) {
    signal?.throwIfAborted();
    const reads = model.weight(tensor.name).packed;
    const seen =
      reads === undefined
        ? await plainTensor(model, tensor, needs, packed, signal)
        : await linearTensor(model, tensor, reads, needs, signal);
    const costs =
      needs.sampling === undefined ? undefined : await sampledCosts(model, tensor, needs.sampling);
    tensors.push(costs === undefined ? seen : { ...seen, costs });
  }
  return tensors;
}

/** Of matrices that the target could pack, from a few rows. */
async function sampledCosts(
  model: Model,
  tensor: ModelTensor,
  sampling: WeightSampling,
): Promise<readonly number[] | undefined> {
  const { name, shape, encoding } = tensor;
  const columns = shape.at(-1) ?? 0;
  const linear = model.naming === "gguf" ? mayNarrow(name, shape) : isLinearWeight(tensor, model.hf?.config);
  if (!linear || columns % sampling.columnMultiple !== 0 || isIntegerEncoding(encoding)) return undefined;
  const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
  const picked = sampling.rowsOf(rows);
  const sample = new Float32Array(picked.length * columns);
  for (const [index, row] of picked.entries()) {
    await model.weight(name).readRows(row, row + 1, sample.subarray(index * columns, (index + 1) * columns));
  }
  refuseNonFiniteSample(name, sample, picked, columns);
  try {
    return sampling.costs(sample, rows, columns);
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

async function linearTensor(
  model: Model,
  tensor: ModelTensor,
  packed: PackedReads,
  needs: SourceNeeds,
  signal: AbortSignal | undefined,
): Promise<PlanSourceTensor> {
  const { facts, layout, noView, exactIn } = await packed.examine();
  if (facts === undefined) {
    const [narrow] = exactIn ?? [];
    const narrowest =
      needs.narrowest === true ? (narrow ?? (await narrowestFloat(model, tensor.name, signal))) : undefined;
    return { ...tensor, noView, layout, exactIn, narrowest };
  }
  const view = needs.offsets === true ? await measuredFacts(model, tensor.name, facts, signal) : facts;
  if (needs.narrowest !== true || exactTypes(view).length > 0) return { ...tensor, view, layout, exactIn };
  // values that are rounded to f16 are f16 values
  const narrowest = view.rounding === "f16" ? "F16" : await narrowestFloat(model, tensor.name, signal);
  return { ...tensor, view, layout, exactIn, narrowest };
}

async function plainTensor(
  model: Model,
  tensor: ModelTensor,
  needs: SourceNeeds,
  packed: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<PlanSourceTensor> {
  const { name, shape, encoding } = tensor;
  if (name.endsWith(".bias") && packed.has(name.replace(/\.bias$/, ".weight"))) {
    return { ...tensor, zero: await isZero(model, tensor) };
  }
  const matrix = model.naming === "hf" ? shape.length >= 2 : mayNarrow(name, shape);
  if (needs.narrowest === true && encoding === "F32" && matrix) {
    return { ...tensor, narrowest: await narrowestFloat(model, name, signal) };
  }
  if (needs.blocks === true && viewSourceByName(encoding) !== undefined) {
    const { view, misfit } = await blockFacts(model, name, signal);
    return view === undefined ? { ...tensor, noView: misfit } : { ...tensor, view };
  }
  return tensor;
}

/** Some quantizers write biases of zeros for layers that have none. */
async function isZero(model: Model, { name, shape }: ModelTensor): Promise<boolean> {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  await model.weight(name).readRows(0, 1, values);
  return values.every((value) => value === 0);
}

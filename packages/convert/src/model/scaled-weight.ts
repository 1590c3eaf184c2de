/** Weights of a GGUF with a scale in a tensor of its own (`<weight>.scale`), by which llama.cpp multiplies (NVFP4). */
import { ConversionError, rowCount, type TensorInfo } from "@requant/core";
import {
  dequantizeLevels,
  type Factor,
  isLevelView,
  type LevelView,
  levelViewOf,
  type Reformed,
} from "@requant/core/view";
import { hasTensorScale } from "@requant/models";
import type { ModelTensor } from "./model-tensor.ts";
import type { StoredWeight } from "./stored-weight.ts";

/** The type beside which such scales are written; other types have none, or one that means something else. */
const SCALED_TYPE = "NVFP4";

/** Says of each tensor whether another one is its scale, or whether it is that of another one. */
export function withScales(tensors: readonly ModelTensor[]): readonly ModelTensor[] {
  if (!tensors.some(({ encoding }) => encoding === SCALED_TYPE)) return tensors;
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const scaledBy = new Map<string, string>();
  const partOf = new Map<string, string>();
  for (const weight of tensors) {
    if (weight.encoding !== SCALED_TYPE || !hasTensorScale(weight.name)) continue;
    const stem = weight.name.replace(/\.weight$/, "");
    const scale = byName.get(`${stem}.scale`);
    if (scale !== undefined && isScaleOf(scale, weight)) {
      scaledBy.set(weight.name, scale.name);
      partOf.set(scale.name, weight.name);
    }
    // of the activations
    const input = byName.get(`${stem}.input_scale`);
    if (input !== undefined && isScaleOf(input, weight)) partOf.set(input.name, weight.name);
  }
  if (partOf.size === 0) return tensors;
  return tensors.map((tensor) => {
    const [scale, whole] = [scaledBy.get(tensor.name), partOf.get(tensor.name)];
    return {
      ...tensor,
      ...(scale === undefined ? {} : { scaledBy: scale }),
      ...(whole === undefined ? {} : { partOf: whole }),
    };
  });
}

/** One number, or one for each matrix of a stack. */
function isScaleOf({ encoding, shape }: TensorInfo, weight: TensorInfo): boolean {
  const count = shape.length === 1 ? shape[0] : undefined;
  return encoding === "F32" && (count === 1 || (weight.shape.length === 3 && count === weight.shape[0]));
}

/** The tensors that are weights, without those that belong to others. */
export function ownTensors<T extends { readonly partOf?: string | undefined }>(tensors: readonly T[]): T[] {
  return tensors.filter(({ partOf }) => partOf === undefined);
}

/** The weight with its scale multiplied in: the levels times the product of both scales, as ModelOpt computes it. */
export function scaledWeightOf(weight: StoredWeight, scale: StoredWeight): StoredWeight {
  const { tensor } = weight;
  const rows = rowCount(tensor.shape);
  const columns = tensor.shape.at(-1) ?? 1;
  const count = scale.tensor.shape[0] ?? 1;
  let scales: Promise<Float32Array> | undefined;
  async function scalesOf(): Promise<Float32Array> {
    const values = new Float32Array(count);
    await scale.readRows(0, 1, values);
    return values;
  }
  async function factorOf(rowStart: number, rowEnd: number): Promise<Factor> {
    scales ??= scalesOf();
    const values = await scales;
    if (count === 1) return { values, span: { kind: "tensor" } };
    const each = rows / count;
    const own = Float32Array.from({ length: rowEnd - rowStart }, (_, row) => {
      return values[Math.floor((rowStart + row) / each)] ?? Number.NaN;
    });
    return { values: own, span: { kind: "columns", groupCount: 1, groupOfColumn: new Int32Array(columns) } };
  }
  async function readScaled(rowStart: number, rowEnd: number): Promise<Reformed<LevelView>> {
    const read = await weight.readView(rowStart, rowEnd);
    if (read.view === undefined) return read;
    const view = isLevelView(read.view) ? read.view : levelViewOf(read.view);
    return { view: { ...view, factors: [...view.factors, await factorOf(rowStart, rowEnd)] } };
  }
  const { stored: _, ...unscaled } = weight;
  return {
    ...unscaled,
    readView: (rowStart, rowEnd, isUnscaled) =>
      isUnscaled === true ? weight.readView(rowStart, rowEnd) : readScaled(rowStart, rowEnd),
    async readRows(rowStart, rowEnd, out) {
      const { view, misfit } = await readScaled(rowStart, rowEnd);
      if (view === undefined)
        throw new ConversionError(`The weight cannot be multiplied by its scale: ${misfit.reason}.`, {
          tensor: tensor.name,
          hint: misfit.hint,
        });
      dequantizeLevels(view, out);
    },
  };
}

/** Where every byte of an output file goes, before any tensor is made. */
import { UsageError } from "@requant/core";
import type { Plan, PlanFile, PlanTensor } from "../plan.ts";
import { headerLayout } from "./header-layout.ts";
import { sideFileBytes } from "./side-file.ts";
import { type FileTensor, fileTensors, safetensorsOrder } from "./tensors.ts";

/** A tensor's place in its file. */
export interface PlacedTensor extends FileTensor {
  /** Of the weight, in the plan. */
  readonly index: number;
  readonly byteOffset: number;
}

export interface FileLayout {
  readonly file: PlanFile;
  /** The first bytes; of a side file, all. */
  readonly header: Uint8Array;
  /** In the order of their places. Zeros lie between them. */
  readonly tensors: readonly PlacedTensor[];
}

/** @throws UsageError when the plan's lengths are not the ones that its shapes make */
export function layoutFile(plan: Plan, file: PlanFile): FileLayout {
  if (!("tensors" in file)) return { file, header: sideFileBytes(file), tensors: [] };
  const indices = new Map<PlanTensor, number>();
  for (const index of file.tensors) {
    const weight = plan.tensors[index];
    if (weight !== undefined) indices.set(weight, index);
  }
  const stored = fileTensors([...indices.keys()]);
  const layout = headerLayout(file, file.kind === "gguf" ? stored : safetensorsOrder(stored));
  if (layout.byteLength !== file.byteLength) {
    throw new UsageError(`The plan says ${file.byteLength} bytes, its tensors make ${layout.byteLength}.`, {
      path: file.name,
      hint: "Plan again.",
    });
  }
  const byName = new Map(stored.map((tensor) => [tensor.name, tensor]));
  return {
    file,
    header: layout.header,
    tensors: layout.tensors.map(({ name, byteOffset, byteLength }) => {
      const tensor = byName.get(name);
      if (tensor === undefined || tensor.byteLength !== byteLength) {
        throw new UsageError(`The plan says ${tensor?.byteLength} bytes, its shape makes ${byteLength}.`, {
          tensor: name,
          hint: "Plan again.",
        });
      }
      // spelled out: V8 keeps what is added to a copied object apart from it
      const { shape, encoding, weight, suffix } = tensor;
      return {
        name,
        shape,
        encoding,
        byteLength,
        weight,
        suffix,
        index: indices.get(weight) ?? 0,
        byteOffset,
      };
    }),
  };
}

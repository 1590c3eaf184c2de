/** Where every byte of an output file goes, before any tensor is made. */
import { UsageError } from "@requant/core";
import { layoutGguf } from "@requant/gguf";
import { layoutSafetensors } from "@requant/safetensors";
import { metadataFromJson } from "../metadata-json.ts";
import type { Plan, PlanFile, PlanTensor } from "../plan.ts";
import { sideFileBytes } from "./side-file.ts";

/** A tensor's place in its file. */
export interface PlacedTensor {
  /** In the plan. */
  readonly index: number;
  readonly tensor: PlanTensor;
  readonly byteOffset: number;
}

export interface FileLayout {
  readonly file: PlanFile;
  /** The first bytes; of a side file, all. */
  readonly header: Uint8Array;
  /** In the order of their places. Zeros lie between them. */
  readonly tensors: readonly PlacedTensor[];
}

interface PlacedShape {
  readonly name: string;
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** @throws UsageError when the plan's lengths are not the ones that its shapes make */
export function layoutFile(plan: Plan, file: PlanFile): FileLayout {
  if (!("tensors" in file)) return { file, header: sideFileBytes(file), tensors: [] };
  const members = file.tensors.flatMap((index) => {
    const tensor = plan.tensors[index];
    return tensor === undefined ? [] : [{ index, tensor }];
  });
  const shapes = members.map(({ tensor: { name, shape, to } }) => ({ name, shape, encoding: to }));
  const layout =
    file.kind === "gguf"
      ? layoutGguf({
          metadata: metadataFromJson(file.metadata),
          alignment: file.alignment,
          tensors: shapes,
        })
      : layoutSafetensors(shapes, file.metadata);
  if (layout.byteLength !== file.byteLength) {
    throw new UsageError(`the plan says ${file.byteLength} bytes, its tensors make ${layout.byteLength}`, {
      path: file.name,
      hint: "Plan again.",
    });
  }
  const byName = new Map(members.map((member) => [member.tensor.name, member]));
  const placed: readonly PlacedShape[] = layout.tensors;
  return {
    file,
    header: layout.header,
    tensors: placed.map(({ name, byteOffset, byteLength }) => {
      const member = byName.get(name);
      if (member === undefined || member.tensor.byteLength !== byteLength) {
        throw new UsageError(
          `the plan says ${member?.tensor.byteLength} bytes, its shape makes ${byteLength}`,
          {
            tensor: name,
            hint: "Plan again.",
          },
        );
      }
      return { ...member, byteOffset };
    }),
  };
}

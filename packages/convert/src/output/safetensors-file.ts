import { layoutSafetensors, planShards } from "@requant/safetensors";
import type { PlanFile, PlanTensor } from "../plan.ts";
import { planSideFile } from "./side-file.ts";

export type SafetensorsPlanFile = Extract<PlanFile, { readonly kind: "safetensors" }>;

export interface SafetensorsFilesOptions {
  /** File name without number: "model.safetensors" by default, the name that every reader looks for. */
  readonly name?: string | undefined;
  /** Most bytes of tensors in one file. Default 5 GB, as Hugging Face's own writer has it. */
  readonly shardSize?: number | undefined;
}

const DEFAULT_SHARD_SIZE = 5_000_000_000;

/** One file, or shards and their index. */
export function planSafetensorsFiles(
  tensors: readonly PlanTensor[],
  metadata: Readonly<Record<string, string>>,
  options: SafetensorsFilesOptions = {},
): PlanFile[] {
  const baseName = (options.name ?? "model").replace(/\.safetensors$/i, "");
  const { files, index } = planShards(tensors, options.shardSize ?? DEFAULT_SHARD_SIZE, baseName);
  const places = new Map(tensors.map((tensor, place) => [tensor, place]));
  const planned = files.map(({ name, tensors: members }): SafetensorsPlanFile => {
    const layout = layoutSafetensors(members.map(shapeOf), metadata);
    // the order of the file, in which the writer pulls
    const order = new Map(layout.tensors.map((tensor, place) => [tensor.name, place]));
    const sorted = members.toSorted((a, b) => (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0));
    return {
      kind: "safetensors",
      name,
      byteLength: layout.byteLength,
      metadata,
      tensors: sorted.map((tensor) => places.get(tensor) ?? 0),
    };
  });
  return index === undefined ? planned : [...planned, planSideFile(index.name, index.text)];
}

function shapeOf({ name, shape, to }: PlanTensor): {
  name: string;
  shape: readonly number[];
  encoding: string;
} {
  return { name, shape, encoding: to };
}

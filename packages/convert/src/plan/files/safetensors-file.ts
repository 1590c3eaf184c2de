import { layoutSafetensors, planShards } from "@requant/safetensors";
import type { PlanFile, PlanTensor } from "../plan.ts";
import { rememberLayout } from "./header-layout.ts";
import { planSideFile } from "./side-file.ts";
import { fileTensors, safetensorsOrder } from "./tensors.ts";

export type SafetensorsPlanFile = Extract<PlanFile, { readonly kind: "safetensors" }>;

export interface SafetensorsFilesOptions {
  /** File name without number: "model.safetensors" by default, the name that every reader looks for. */
  readonly name?: string | undefined;
  /** Most bytes of tensors in one file. Default 5 GB, as Hugging Face's own writer has it. */
  readonly shardSize?: number | undefined;
  /** False: shards have no index.json. "always": a single file has one, too. */
  readonly indexed?: boolean | "always" | undefined;
}

const DEFAULT_SHARD_SIZE = 5_000_000_000;

/** One file, or shards and their index. A packed weight is never cut in two. */
export function planSafetensorsFiles(
  tensors: readonly PlanTensor[],
  metadata: Readonly<Record<string, string>>,
  options: SafetensorsFilesOptions = {},
): PlanFile[] {
  const baseName = (options.name ?? "model").replace(/\.safetensors$/i, "");
  const { files, index } = planShards(
    tensors,
    options.shardSize ?? DEFAULT_SHARD_SIZE,
    baseName,
    (tensor) => fileTensors([tensor]).map(({ name }) => name),
    options.indexed === "always",
  );
  const places = new Map(tensors.map((tensor, place) => [tensor, place]));
  const planned = files.map(({ name, tensors: members }): SafetensorsPlanFile => {
    const ordered = safetensorsOrder(fileTensors(members));
    const layout = layoutSafetensors(ordered, metadata, { order: "given" });
    const file: SafetensorsPlanFile = {
      kind: "safetensors",
      name,
      byteLength: layout.byteLength,
      metadata,
      // in which the writer pulls
      tensors: [...new Set(ordered.map(({ weight }) => places.get(weight) ?? 0))],
    };
    return rememberLayout(file, ordered, layout);
  });
  return index === undefined || options.indexed === false
    ? planned
    : [...planned, planSideFile(index.name, index.text)];
}

/** How each kind of output file is written, and read back for the check. */
import type { ByteSink, ByteSource } from "@requant/core";
import type { PlanFile } from "../plan.ts";
import { reopenGgufFile, writeGgufFile } from "./gguf-file.ts";
import { reopenSafetensorsFile, writeSafetensorsFile } from "./safetensors-file.ts";
import { writeSideFile } from "./side-file.ts";
import type { OutputTensor, WrittenTensor } from "./tensors.ts";

export async function writeFile(
  sink: ByteSink,
  file: PlanFile,
  tensors: readonly OutputTensor[],
): Promise<void> {
  switch (file.kind) {
    case "gguf":
      return writeGgufFile(sink, file, tensors);
    case "safetensors":
      return writeSafetensorsFile(sink, file, tensors);
    default:
      return writeSideFile(sink, file);
  }
}

/** The file's tensors by name; none for side files. */
export async function reopenFile(
  source: ByteSource,
  file: PlanFile,
): Promise<ReadonlyMap<string, WrittenTensor>> {
  switch (file.kind) {
    case "gguf":
      return reopenGgufFile(source);
    case "safetensors":
      return reopenSafetensorsFile(source);
    default:
      return new Map();
  }
}

/** Checks written files with the same readers that open any other model. */
import { type ByteSource, IoError, type TensorInfo } from "@requant/core";
import { readGguf } from "@requant/gguf";
import { readHeader } from "@requant/safetensors";
import type { FileLayout } from "../../plan/files/layout.ts";
import { NOT_AS_WRITTEN } from "./store.ts";

async function tensorsOf(
  source: ByteSource,
  kind: FileLayout["file"]["kind"],
): Promise<readonly TensorInfo[]> {
  if (kind === "gguf") return (await readGguf(source)).tensors;
  if (kind === "safetensors") return (await readHeader(source)).tensors;
  return [];
}

/** Parses the header and compares it with the plan. @throws IoError where they differ */
export async function checkHeader(source: ByteSource, layout: FileLayout): Promise<void> {
  const found = new Map((await tensorsOf(source, layout.file.kind)).map((info) => [info.name, info]));
  for (const { name, byteOffset, byteLength, encoding } of layout.tensors) {
    const info = found.get(name);
    if (info?.byteOffset === byteOffset && info.byteLength === byteLength && info.encoding === encoding) {
      continue;
    }
    throw new IoError(
      info === undefined
        ? "A tensor that was written is missing when the file is read back."
        : `The tensor was written at offset ${byteOffset} as ${byteLength} bytes of ${encoding}, but read back at offset ${info.byteOffset} as ${info.byteLength} bytes of ${info.encoding}.`,
      { path: source.name, tensor: name, reason: NOT_AS_WRITTEN },
    );
  }
}

/** Checks written files with the same readers that open any other model. */
import { type ByteSource, IoError, type TensorInfo } from "@requant/core";
import { parseGguf, readGguf } from "@requant/gguf";
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
  compareTensors(source.name, await tensorsOf(source, layout.file.kind), layout);
}

/**
 * The same for a file that begins with the planned header, as a comparison of the bytes has shown: it need not be read again.
 * @throws IoError where they differ
 */
export async function checkKnownHeader(source: ByteSource, layout: FileLayout): Promise<void> {
  const { file, header } = layout;
  if (file.kind !== "gguf") return checkHeader(source, layout);
  const { tensors } = parseGguf(header, { fileByteLength: file.byteLength, path: source.name });
  compareTensors(source.name, tensors, layout);
}

function compareTensors(path: string, tensors: readonly TensorInfo[], layout: FileLayout): void {
  const found = new Map(tensors.map((info) => [info.name, info]));
  for (const { name, byteOffset, byteLength, encoding } of layout.tensors) {
    const info = found.get(name);
    if (info?.byteOffset === byteOffset && info.byteLength === byteLength && info.encoding === encoding) {
      continue;
    }
    throw new IoError(
      info === undefined
        ? "A tensor that was written is missing when the file is read back."
        : `The tensor was written at offset ${byteOffset} as ${byteLength} bytes of ${encoding}, but read back at offset ${info.byteOffset} as ${info.byteLength} bytes of ${info.encoding}.`,
      { path, tensor: name, reason: NOT_AS_WRITTEN },
    );
  }
}

/** Reads the beginning of a file that this process, or another one, has written, and compares it with the plan. */
import type { ByteSource, StagedBytes } from "@requant/core";
import { sameBytes } from "../../model/same-bytes.ts";
import type { FileLayout } from "../../plan/files/layout.ts";
import { checkKnownHeader } from "./check-header.ts";
import { lost } from "./store.ts";

/** A header with a large vocabulary has 8 MB, so it is compared in parts of this size. */
const COMPARED_BYTE_LENGTH = 256 * 1024;

/** Parses the header as any reader does, too. @throws IoError where it is not the plan's */
export async function checkWrittenHeader(
  file: Pick<StagedBytes, "name" | "readInto">,
  layout: FileLayout,
): Promise<void> {
  if (!(await beginsWith(file, layout.header))) throw lost(file.name);
  await checkKnownHeader(sourceOf(file, layout.file.byteLength), layout);
}

/** Whether a file begins with some bytes. */
export async function beginsWith(file: Pick<ByteSource, "readInto">, header: Uint8Array): Promise<boolean> {
  const memory = new Uint8Array(Math.min(header.byteLength, COMPARED_BYTE_LENGTH));
  for (let start = 0; start < header.byteLength; start += memory.byteLength) {
    const expected = header.subarray(start, start + memory.byteLength);
    const found = memory.subarray(0, expected.byteLength);
    await file.readInto(found, start);
    if (!sameBytes(expected, found)) return false;
  }
  return true;
}

function sourceOf(file: Pick<StagedBytes, "name" | "readInto">, byteLength: number): ByteSource {
  return {
    name: file.name,
    byteLength,
    async read(start, end) {
      const target = new Uint8Array(end - start);
      await file.readInto(target, start);
      return target;
    },
    readInto: (target, start) => file.readInto(target, start),
    async close() {},
  };
}

import { readFile } from "node:fs/promises";
import { IoError, memorySource } from "@requant/core";
import { type Imatrix, readImatrix } from "@requant/gguf";

/** An importance matrix of either form. */
export async function readImatrixFile(path: string): Promise<Imatrix> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new IoError(`${path}: the importance matrix cannot be read.`, {
      path,
      cause,
      hint: "Check the path.",
    });
  });
  return readImatrix(memorySource(bytes, path));
}

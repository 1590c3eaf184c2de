import { readFile } from "node:fs/promises";
import { IoError, memorySource, UsageError } from "@requant/core";
import { type Imatrix, readImatrix } from "@requant/gguf";

/** An importance matrix of either form. */
export async function readImatrixFile(path: string): Promise<Imatrix> {
  if (/\.safetensors$/i.test(path)) {
    throw new UsageError(`${path}: the file is no importance matrix.`, {
      path,
      hint: "An importance matrix is a .gguf or .dat file; statistics of a text go to --calibrate.",
    });
  }
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new IoError(`${path}: the importance matrix cannot be read.`, {
      path,
      cause,
      hint: "Check the path.",
    });
  });
  return readImatrix(memorySource(bytes, path));
}

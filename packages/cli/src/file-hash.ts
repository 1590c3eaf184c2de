import { hashSource } from "@requant/convert";
import { fileSource, nodeSha256 } from "@requant/core/node";

/** The SHA-256 of a file. */
export async function fileHash(path: string, signal: AbortSignal | undefined): Promise<string> {
  const source = await fileSource(path);
  try {
    return await hashSource(source, { createHash: nodeSha256, signal });
  } finally {
    await source.close();
  }
}

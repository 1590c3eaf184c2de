import { fileSource, nodeSha256 } from "@requant/core/node";

const CHUNK = 4 * 1024 * 1024;

/** The SHA-256 of a file. */
export async function fileHash(path: string, signal: AbortSignal): Promise<string> {
  const source = await fileSource(path);
  try {
    const hash = nodeSha256();
    for (let start = 0; start < source.byteLength; start += CHUNK) {
      signal.throwIfAborted();
      hash.update(await source.read(start, Math.min(start + CHUNK, source.byteLength)));
    }
    return hash.hex();
  } finally {
    await source.close();
  }
}

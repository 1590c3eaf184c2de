import type { ByteHash } from "@requant/core";
import { createSHA256 } from "hash-wasm";

/**
 * A SHA-256 in WebAssembly: four times as fast as the one in JavaScript, which hashes 1 GB in 24 seconds. Browsers can hash by
 * themselves only what is in memory as a whole. Undefined where a browser refuses WebAssembly.
 */
export async function wasmSha256(): Promise<ByteHash | undefined> {
  try {
    const hash = await createSHA256();
    return {
      update(bytes) {
        hash.update(bytes);
      },
      hex: () => hash.digest("hex"),
    };
  } catch {
    return undefined;
  }
}

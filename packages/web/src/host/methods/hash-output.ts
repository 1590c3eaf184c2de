import { hashSource } from "@requant/convert";
import { IoError } from "@requant/core";
import { browserStore } from "@requant/core/web";
import type { OutputPlace } from "../../conversion/choices.ts";
import { placeOf } from "../../storage/output-place.ts";
import type { Control } from "../control.ts";
import { wasmSha256 } from "../wasm-sha256.ts";
import { watched } from "../watched.ts";
import type { Converted } from "./convert.ts";

interface HashInput {
  readonly name: string;
  readonly target: Converted["report"]["target"];
  readonly place: OutputPlace;
}

/** The SHA-256 of each file that a conversion made, in the order of the files. */
export async function hashOutput(
  input: HashInput,
  { signal, progress }: Control,
): Promise<readonly string[]> {
  const { name, target, place } = input;
  const { format, files } = target;
  const store = await browserStore(await placeOf(place, format, name), { name });
  const total = files.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const tell = watched(progress);
  const digests: string[] = [];
  let before = 0;
  for (const { name: file, byteLength } of files) {
    const source = await store.open(file);
    if (source === undefined) {
      throw new IoError("The file is not there any more.", { path: file, hint: "Convert again." });
    }
    const onProgress = (done: number): void =>
      tell({ phase: "hash", file, tensor: undefined, done: before + done, total });
    try {
      const hash = await wasmSha256();
      const createHash = hash === undefined ? undefined : () => hash;
      digests.push(await hashSource(source, { createHash, signal, onProgress }));
    } finally {
      await source.close();
    }
    before += byteLength;
  }
  return digests;
}

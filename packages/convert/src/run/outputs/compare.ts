import type { ByteSource } from "@requant/core";
import { type OutputStore, outputExists } from "./output-store.ts";
import type { RunState } from "./run-state.ts";

/**
 * Makes everything again and compares it with the files that have the output's names: a run that was interrupted after its
 * last step is told from somebody else's files by nothing but the bytes.
 * @throws IoError when one is not what this run makes
 */
export async function compareWithExisting(run: RunState, store: OutputStore): Promise<void> {
  const sources: ByteSource[] = [];
  try {
    for (const { file, header } of run.layouts) {
      const source = await store.open(file.name);
      if (source === undefined) throw outputExists(store, file.name, "changes while it is looked at");
      sources.push(source);
      const differs =
        source.byteLength !== file.byteLength || !isSame(await source.read(0, header.byteLength), header);
      if (differs) throw differing(store, file.name);
    }
    const destination = {
      async deliver({ file, byteOffset }: { file: number; byteOffset: number }, bytes: Uint8Array) {
        const found = await sources[file]?.read(byteOffset, byteOffset + bytes.byteLength);
        if (found === undefined || !isSame(found, bytes)) {
          throw differing(store, run.layouts[file]?.file.name ?? "");
        }
      },
      places: 1,
    };
    await run.withCrew(destination, (crew) => run.make(crew, run.work.jobs));
  } finally {
    for (const source of sources) await source.close();
  }
}

function differing(store: OutputStore, name: string): Error {
  return outputExists(store, name, "it is not what this conversion makes");
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, index) => byte === b[index]);
}

/** Output files that exist already: every piece is made again and compared with them. */
import type { ByteSource } from "@requant/core";
import { finding } from "../../model/findings/finding.ts";
import { sameBytes } from "../../model/same-bytes.ts";
import type { Piece } from "../pieces.ts";
import type { RunState } from "../run-state.ts";
import type { RunOutput } from "./output.ts";
import { type OutputStore, outputExists } from "./store.ts";
import { beginsWith } from "./written-header.ts";

/**
 * Only the bytes show whether files were written by an interrupted run of the same plan or come from elsewhere.
 * `deliver` throws IoError where a file differs from what this run makes.
 */
export class CompareOutput implements RunOutput {
  readonly slots = 1;
  private readonly run: RunState;
  private readonly store: OutputStore;
  private readonly sources: ByteSource[] = [];

  constructor(run: RunState, store: OutputStore) {
    this.run = run;
    this.store = store;
  }

  /** Compares lengths and headers. */
  async begin(): Promise<void> {
    const { run, store } = this;
    for (const { file, header } of run.layouts) {
      const source = await store.open(file.name);
      if (source === undefined) throw outputExists(store, file.name, "changes while it is looked at");
      this.sources.push(source);
      const differs = source.byteLength !== file.byteLength || !(await beginsWith(source, header));
      if (differs) throw differing(store, file.name);
    }
  }

  readonly deliver = async ({ file, byteOffset }: Piece, bytes: Uint8Array): Promise<void> => {
    const found = await this.sources[file]?.read(byteOffset, byteOffset + bytes.byteLength);
    if (found === undefined || !sameBytes(found, bytes)) {
      throw differing(this.store, this.run.layouts[file]?.file.name ?? "");
    }
  };

  async publish(): Promise<void> {
    await this.end();
    const message = "The output was complete already; it was made again and compared.";
    this.run.options.onFinding?.(finding("compared", message));
  }

  async end(): Promise<void> {
    for (const source of this.sources.splice(0)) await source.close();
  }
}

function differing(store: OutputStore, name: string): Error {
  return outputExists(store, name, "it is not what this conversion makes");
}

import type { ReadStore } from "@requant/core";

/** Where a model argument points: a folder of files, and the one file that was named, if one was. */
export interface Location {
  readonly store: ReadStore;
  readonly file: string | undefined;
  /** Set for local models only: the folder itself. */
  readonly directory: string | undefined;
}

/** The end of files that did not get their names. */

interface UnfinishedFile {
  /** What an earlier run has left. */
  readonly journal: Uint8Array;
  keep(): Promise<void>;
  discard(): Promise<void>;
}

/**
 * Ends the use of files. What an earlier run left stays, until this run has begun to change it.
 * @returns whether anything was kept for a later run
 */
export async function endUnfinished(
  files: readonly UnfinishedFile[],
  { begun, keep }: { readonly begun: boolean; readonly keep: boolean },
): Promise<boolean> {
  let any = false;
  for (const file of files) {
    if (begun ? keep : file.journal.byteLength > 0) {
      await file.keep();
      any = true;
    } else await file.discard();
  }
  return any;
}

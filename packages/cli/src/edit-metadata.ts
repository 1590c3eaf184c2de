/** `metadata set` and `metadata unset`: what changes is shown, and the file is replaced in one step. */
import {
  editMetadata,
  type MetadataChange,
  type MetadataEdit,
  metadataEntries,
  planMetadataEdit,
  refuseUnsoundEdit,
} from "@requant/convert";
import type { Metadata, MetadataValue } from "@requant/core";
import { fileSink, fileSource, lockFile, replaceablePath } from "@requant/core/node";
import { bounded } from "@requant/core/text";
import { readGguf } from "@requant/gguf";
import type { Context } from "./context.ts";
import { exitStatus } from "./exit.ts";
import { showWarnings } from "./render/findings.ts";
import { differenceLine } from "./render/metadata.ts";
import { writeJson } from "./streams.ts";

export interface EditOptions {
  readonly dryRun: boolean;
  readonly force: boolean;
}

/** Of more keys there is only the number. */
const MOST_NAMED = 20;

/**
 * Changes the metadata of a file, as `changeOf` says when it sees what there is. The changed file is written beside the old
 * one and renamed: the name never holds a torn file. It is locked from before it is read, so that of two changes at once none
 * is lost. A dry run refuses what the change would, and writes nothing.
 */
export async function changeMetadata(
  file: string,
  changeOf: (metadata: Metadata) => MetadataChange | Promise<MetadataChange>,
  options: EditOptions,
  context: Context,
): Promise<number> {
  const path = await replaceablePath(file, { force: options.force });
  const lock = options.dryRun ? undefined : await lockFile(path);
  try {
    const source = await fileSource(path);
    try {
      const header = await readGguf(source);
      const change = await changeOf(header.metadata);
      const edit = planMetadataEdit(header, change);
      const differs = edit.differences.some((difference) => difference.differs);
      if (!options.force) showThenRefuse(edit, options, context);
      if (differs && !options.dryRun) {
        const { signal } = context;
        await editMetadata(source, await fileSink(path, { overwrite: true }), change, {
          signal,
          force: true,
        });
      }
      report(file, edit, { ...options, written: differs && !options.dryRun }, context);
      return exitStatus.done;
    } finally {
      await source.close();
    }
  } finally {
    await lock?.release();
  }
}

/** A dry run shows what would be changed also where that is refused. */
function showThenRefuse(edit: MetadataEdit, { dryRun }: EditOptions, { options, streams }: Context): void {
  if (dryRun && options.json !== true && edit.refusals.length > 0) {
    streams.out.write(`${edit.differences.map(differenceLine).join("\n")}\n`);
  }
  refuseUnsoundEdit(edit);
}

function report(
  file: string,
  { differences, findings }: MetadataEdit,
  { dryRun, written }: EditOptions & { readonly written: boolean },
  { streams, options }: Context,
): void {
  const changed = differences.filter(({ differs }) => differs).map(({ key }) => key);
  showWarnings(findings, streams, options);
  if (options.json) {
    const changes = differences.map(({ key, before, after, differs }) => ({
      key,
      change: !differs ? "none" : before === undefined ? "added" : after === undefined ? "removed" : "set",
      before: entryOf(before),
      after: entryOf(after),
    }));
    writeJson(streams, { file, changed, dryRun, written, changes, findings });
    return;
  }
  if (dryRun || options.quiet !== true) {
    streams.out.write(`${differences.map(differenceLine).join("\n")}\n`);
  }
  if (options.quiet) return;
  const named = changed.slice(0, MOST_NAMED).map((key) => bounded(key));
  const more = changed.length - named.length;
  const what = `${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  streams.err.write(
    changed.length === 0
      ? "nothing to change: the file is as it was\n"
      : `${dryRun ? "a dry run, nothing is written; would change" : "changed"}: ${what}\n`,
  );
}

/** Type and value as `metadata list --json` has them. */
function entryOf(value: MetadataValue | undefined): object | null {
  if (value === undefined) return null;
  const [entry] = metadataEntries(new Map([["", value]]));
  if (entry === undefined) return null;
  const { key: _, ...rest } = entry;
  return rest;
}

import { editMetadata, metadataLines, parseMetadataAssignment } from "@requant/convert";
import { UsageError } from "@requant/core";
import { fileSink, fileSource, lockFile } from "@requant/core/node";
import { bounded } from "@requant/core/text";
import { readGguf } from "@requant/gguf";
import type { Context, Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { table } from "../render/table.ts";
import { printableLines } from "../render/text.ts";
import { writeJson } from "../streams.ts";

type Action = (file: string, entries: readonly string[], context: Context) => Promise<number>;

const actions: Readonly<Record<string, Action>> = {
  list: async (file, _entries, context) => {
    const lines = await read(file);
    if (context.options.json) writeJson(context.streams, lines);
    else {
      const rows = lines.map(({ key, type, value }) => [key, type, bounded(value, 100)]);
      context.streams.out.write(
        `${table([{ title: "key" }, { title: "type" }, { title: "value" }], rows)}\n`,
      );
    }
    return exitStatus.done;
  },
  get: async (file, keys, context) => {
    if (keys.length === 0) throw new UsageError("metadata get needs at least one key");
    const all = new Map((await read(file, Number.POSITIVE_INFINITY)).map((line) => [line.key, line]));
    const missing = keys.filter((key) => !all.has(key));
    if (context.options.json)
      writeJson(
        context.streams,
        keys.flatMap((key) => all.get(key) ?? []),
      );
    else {
      for (const key of keys) {
        const line = all.get(key);
        if (line !== undefined) context.streams.out.write(`${printableLines(line.value)}\n`);
      }
    }
    if (missing.length > 0) context.streams.err.write(`requant: not in the file: ${missing.join(", ")}\n`);
    return missing.length > 0 ? exitStatus.different : exitStatus.done;
  },
  set: (file, entries, context) => {
    if (entries.length === 0) throw new UsageError("metadata set needs KEY=TYPE:VALUE");
    return edit(file, { set: new Map(entries.map((entry) => parseMetadataAssignment(entry))) }, context);
  },
  unset: (file, keys, context) => {
    if (keys.length === 0) throw new UsageError("metadata unset needs at least one key");
    return edit(file, { unset: [...keys] }, context);
  },
};

export const metadata: Handler = async ([action = "", file = "", ...entries], _given, context) => {
  const run = Object.hasOwn(actions, action) ? actions[action] : undefined;
  if (run === undefined) {
    throw new UsageError(`metadata ${action}: no such action`, {
      hint: `Use one of ${Object.keys(actions).join(", ")}.`,
    });
  }
  return run(file, entries, context);
};

async function read(file: string, maxArrayItems = 8): Promise<ReturnType<typeof metadataLines>> {
  const source = await fileSource(file);
  try {
    return metadataLines((await readGguf(source)).metadata, maxArrayItems);
  } finally {
    await source.close();
  }
}

/**
 * Writes the changed file beside the old one and renames it: the name never holds a torn file. Locked from before it is
 * read, so that of two changes at once none is lost.
 */
async function edit(
  file: string,
  changes: Parameters<typeof editMetadata>[2],
  context: Context,
): Promise<number> {
  const lock = await lockFile(file);
  try {
    await editLocked(file, changes, context);
    const changed = [...(changes.set?.keys() ?? []), ...(changes.unset ?? [])];
    if (context.options.json) writeJson(context.streams, { file, changed });
    else if (context.options.quiet !== true) context.streams.err.write(`changed: ${changed.join(", ")}\n`);
    return exitStatus.done;
  } finally {
    await lock.release();
  }
}

async function editLocked(
  file: string,
  changes: Parameters<typeof editMetadata>[2],
  { signal }: Context,
): Promise<void> {
  const source = await fileSource(file);
  try {
    await editMetadata(source, await fileSink(file, { overwrite: true }), changes, { signal });
  } finally {
    await source.close();
  }
}

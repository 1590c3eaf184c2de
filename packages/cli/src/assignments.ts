/** `KEY=VALUE` arguments, whose values may be in files. */
import { readFile, stat } from "node:fs/promises";
import { assignedValue, splitMetadataAssignment } from "@requant/convert";
import { defaultLimits, IoError, type Metadata, type MetadataValue, UsageError } from "@requant/core";
import { bounded } from "@requant/core/text";

/**
 * The values of assignments, in their order. A value `@file` is what the file holds, `@@text` is the text `@text`. A type that is
 * not given is that of the key in `metadata`, or the one that is known for the key.
 * @throws UsageError for a key that is set twice and for texts that are no values; IoError for a file that cannot be read
 */
export async function readAssignments(
  entries: readonly string[],
  metadata?: Metadata,
): Promise<Map<string, MetadataValue>> {
  const values = new Map<string, MetadataValue>();
  for (const entry of entries) {
    const assignment = splitMetadataAssignment(entry);
    const { key, text } = assignment;
    if (values.has(key)) throw setTwice(key);
    const isFile = text.startsWith("@") && !text.startsWith("@@");
    const value = isFile ? await textOfFile(key, text.slice(1)) : text.replace(/^@@/, "@");
    values.set(key, assignedValue({ ...assignment, text: value }, metadata));
  }
  return values;
}

export function setTwice(key: string): UsageError {
  return new UsageError(`${bounded(key)} is set twice.`, { hint: "Give one value." });
}

/** The whole text of a file, line ends included. */
async function textOfFile(key: string, path: string): Promise<string> {
  const bytes = await bytesOf(key, path);
  try {
    // a byte order mark is a character of the value like any other
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new UsageError(`${bounded(key)}: the file of the value is not UTF-8 text.`, {
      path,
      cause,
      hint: "Save the file as UTF-8.",
    });
  }
}

async function bytesOf(key: string, path: string): Promise<Uint8Array> {
  const most = defaultLimits.headerByteLength;
  const length = await stat(path).then(
    ({ size }) => size,
    () => 0,
  );
  if (length > most) {
    throw new UsageError(
      `${bounded(key)}: the file of the value has ${length} bytes; at most ${most} are read.`,
      {
        path,
      },
    );
  }
  return readFile(path).catch((cause: unknown) => {
    throw new IoError(`${bounded(key)}: the file of the value cannot be read.`, {
      path,
      cause,
      hint: "Check the path. A value that begins with @ itself is written with @@.",
    });
  });
}

import {
  assignedValue,
  editMetadata,
  type MetadataChange,
  metadataText,
  planMetadataEdit,
  splitMetadataAssignment,
} from "@requant/convert";
import { type ByteSink, type ByteSource, type Finding, IoError, UsageError } from "@requant/core";
import { browserStore } from "@requant/core/web";
import { readGguf } from "@requant/gguf";
import { chosenFileSink } from "../../storage/file-sink.ts";
import { EDITED, outputFolder } from "../../storage/own-storage.ts";
import type { Control } from "../control.ts";
import { modelNumbered } from "../models.ts";

/** What a person wants changed: assignments `KEY=VALUE` or `KEY=TYPE:VALUE`, and keys to remove. */
export interface EditRequest {
  readonly id: number;
  readonly set: readonly string[];
  readonly unset: readonly string[];
}

/** What the change does to one key, as text. */
export interface ShownDifference {
  readonly key: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

export interface ShownEdit {
  readonly differences: readonly ShownDifference[];
  readonly findings: readonly Finding[];
  /** Readers would refuse the changed file, or misread it. */
  readonly isUnsound: boolean;
}

/** The file that is edited: one file, that this page can read again. */
function editedFile(id: number): { readonly open: () => Promise<ByteSource>; readonly name: string } {
  const { gguf, origin, files } = modelNumbered(id);
  const [file, ...more] = files;
  if (gguf === undefined || origin === undefined || file === undefined) {
    throw new UsageError("Only the metadata of GGUF files can be edited.", {
      hint: "Convert the model to GGUF first.",
    });
  }
  if (more.length > 0) {
    throw new UsageError(`The model has ${files.length} files; only one file can be edited.`, {
      hint: "Merge its files first, with requant merge.",
    });
  }
  const { name } = file;
  return {
    name,
    async open() {
      const source = await origin.store.open(name);
      if (source === undefined) throw new IoError("The file is not there any more.", { path: name });
      return source;
    },
  };
}

function changeOf({ id, set, unset }: EditRequest): MetadataChange {
  const metadata = modelNumbered(id).gguf?.metadata ?? new Map();
  const values = set.map((text) => {
    const assignment = splitMetadataAssignment(text);
    return [assignment.key, assignedValue(assignment, metadata)] as const;
  });
  return { set: new Map(values), unset };
}

/** What a change would do; nothing is written. */
export async function planEdit(request: EditRequest, { signal }: Control): Promise<ShownEdit> {
  const source = await editedFile(request.id).open();
  try {
    const { differences, findings, refusals } = planMetadataEdit(
      await readGguf(source, { signal }),
      changeOf(request),
    );
    return {
      differences: differences
        .filter(({ differs }) => differs)
        .map(({ key, before, after }) => ({
          key,
          before: before === undefined ? undefined : metadataText(before),
          after: after === undefined ? undefined : metadataText(after),
        })),
      findings,
      isUnsound: refusals.length > 0,
    };
  } finally {
    await source.close();
  }
}

/** Where the changed file is written: into a file that a person chose, or into the browser's own storage. */
export type EditPlace =
  | { readonly kind: "file"; readonly handle: FileSystemFileHandle }
  | { readonly kind: "storage" };

export interface WriteEditRequest extends EditRequest {
  readonly place: EditPlace;
  /** Write also what readers would refuse. */
  readonly force: boolean;
}

/** Writes the file with its metadata changed; some megabytes of it are in memory at a time. Progress is `{ share }`. */
export async function writeEdit(
  { place, force, ...request }: WriteEditRequest,
  { signal, progress }: Control,
): Promise<{ readonly name: string; readonly byteLength: number }> {
  const file = editedFile(request.id);
  const change = changeOf(request);
  const source = await file.open();
  try {
    const sink = await sinkAt(place, file.name);
    await editMetadata(source, withProgress(sink, source.byteLength, progress), change, { force, signal });
    return { name: place.kind === "file" ? place.handle.name : file.name, byteLength: sink.byteLength };
  } finally {
    await source.close();
  }
}

async function sinkAt(place: EditPlace, name: string): Promise<ByteSink> {
  if (place.kind === "file") return chosenFileSink(place.handle);
  const store = await browserStore(await outputFolder(EDITED), { overwrite: true });
  return store.create(name);
}

function withProgress(sink: ByteSink, byteLength: number, progress: Control["progress"]): ByteSink {
  return {
    name: sink.name,
    get byteLength() {
      return sink.byteLength;
    },
    async write(bytes) {
      await sink.write(bytes);
      progress({ share: Math.min(1, sink.byteLength / byteLength) });
    },
    close: () => sink.close(),
    abort: () => sink.abort(),
  };
}

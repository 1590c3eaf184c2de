import {
  type ByteSource,
  byteText,
  FormatError,
  IoError,
  type ReadStore,
  UnsupportedError,
  UsageError,
} from "@requant/core";
import { ggufChoices } from "@requant/gguf";
import type { ModelLocation } from "./model.ts";

/** What stands at a location, seen from the outside: names and the first bytes of one file. */
export interface Found {
  /** The first opening of `file` gives the source that its first bytes were read from. */
  readonly store: ReadStore;
  /** The file that was named, or the only model file of the folder; undefined for a Hugging Face-style folder. */
  readonly file: string | undefined;
  /** First bytes of `file`; empty without one. */
  readonly head: Uint8Array;
  /** Files of the folder, or undefined where it cannot be listed. */
  readonly names: readonly string[] | undefined;
  /** Closes the source of `file`, unless it was opened through `store`. */
  close(): Promise<void>;
}

/** Enough for every magic number, the start of an HTML page and that of a Git LFS pointer. */
const HEAD_BYTE_LENGTH = 64;

/** A kind of file that is no model, or none that we read, and what to do about it. */
interface Impostor {
  matches(head: string, name: string): boolean;
  error(path: string): Error;
}

const convertFirst =
  "Convert it to safetensors with a tool that you trust to run pickles, such as safetensors' own convert script.";

const impostors: readonly Impostor[] = [
  {
    matches: (head) => head.startsWith("version https://git-lfs"),
    error: (path) =>
      new FormatError("This is a Git LFS pointer, not the file itself.", {
        path,
        hint: "Fetch the real file: git lfs pull.",
        reason: "lfs-pointer",
      }),
  },
  {
    matches: (head) => /^\s*<(!doctype|html|\?xml)/i.test(head),
    error: (path) =>
      new FormatError("This is a web page, not a model.", {
        path,
        hint: "Download the file itself: on Hugging Face its address has /resolve/ where the page has /blob/.",
        reason: "web-page",
      }),
  },
  {
    matches: (head) => /^(ggml|lmgg|fmgg|ggmf|tjgg|ggjt|algg|ggla)/.test(head),
    error: (path) =>
      new UnsupportedError("This is a GGML file from before GGUF.", {
        path,
        hint: "Convert the original model again; llama.cpp up to 2023 had convert_llama_ggml_to_gguf.py.",
        reason: "old-format",
      }),
  },
  {
    matches: (head, name) => looksLikePickle(head) || /\.(bin|pt|pth|ckpt|pkl)$/i.test(name),
    error: (path) =>
      new UnsupportedError("This is a Python pickle, which can run code when it is read.", {
        path,
        hint: convertFirst,
        reason: "pickle",
      }),
  },
];

/** A zip as PyTorch writes it, or the first two bytes of a pickle: its mark and the protocol, 2 to 5. */
export function looksLikePickle(head: string): boolean {
  const protocol = head.charCodeAt(1);
  const bare = head.charCodeAt(0) === 0x80 && protocol >= 2 && protocol <= 5;
  // a safetensors header of 640 bytes begins with the same two
  return head.startsWith("PK\u0003\u0004") || (bare && head[8] !== "{");
}

/** Looks at a location without parsing it; the caller closes what was found. @throws IoError, FormatError, UnsupportedError or UsageError saying what is there instead of a model. */
export async function findModel(location: ModelLocation): Promise<Found> {
  const { store, file } = location;
  const names = await store.list();
  if (file !== undefined) return foundFile(store, names, file);
  const choice = names === undefined ? undefined : chooseFile(store, names);
  return choice === undefined
    ? { store, file: undefined, head: new Uint8Array(0), names, close: async () => undefined }
    : foundFile(store, names, choice);
}

async function foundFile(
  store: ReadStore,
  names: readonly string[] | undefined,
  file: string,
): Promise<Found> {
  const path = `${store.name.replace(/\/$/, "")}/${file}`;
  let source: ByteSource | undefined = await openNamed(store, file);
  const take = (): ByteSource | undefined => {
    const taken = source;
    source = undefined;
    return taken;
  };
  const close = async (): Promise<void> => take()?.close();
  try {
    const head = (await source.read(0, Math.min(HEAD_BYTE_LENGTH, source.byteLength))).slice();
    const impostor = impostors.find(({ matches }) => matches(byteText(head), file));
    if (impostor !== undefined) throw impostor.error(path);
    return { store: withOpened(store, file, take), file, head, names, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The store, but an opening of `file` takes the source that is open already, while it is there. */
function withOpened(store: ReadStore, file: string, take: () => ByteSource | undefined): ReadStore {
  return {
    name: store.name,
    address: store.address,
    open: async (path) => (path === file ? take() : undefined) ?? store.open(path),
    list: (folder) => store.list(folder),
    ...(store.realPath === undefined ? {} : { realPath: store.realPath.bind(store) }),
    ...(store.identity === undefined ? {} : { identity: store.identity.bind(store) }),
  };
}

/** @throws IoError when there is no such file. */
export async function openNamed(store: ReadStore, file: string): Promise<ByteSource> {
  const source = await store.open(file);
  if (source !== undefined) return source;
  throw new IoError("No such file.", {
    path: `${store.name.replace(/\/$/, "")}/${file}`,
    hint: "Check the path.",
  });
}

/** The GGUF of a folder that has no safetensors; undefined for a Hugging Face-style folder. */
function chooseFile(store: ReadStore, names: readonly string[]): string | undefined {
  if (names.some((name) => /\.safetensors(\.index\.json)?$/i.test(name))) return undefined;
  const ggufs = ggufChoices(names.map((name) => ({ path: name }))).map(({ file }) => file);
  if (ggufs.length === 1) return ggufs[0];
  const path = store.name;
  if (ggufs.length > 1) {
    throw new UsageError(`The folder holds ${ggufs.length} GGUF models.`, {
      path,
      hint: `Name one of them: ${ggufs.slice(0, 8).join(", ")}.`,
    });
  }
  if (names.some((name) => /\.(bin|pt|pth)$/i.test(name))) {
    throw new UnsupportedError(
      "The folder holds its weights as Python pickles, which can run code when they are read.",
      {
        path,
        hint: convertFirst,
        reason: "pickle",
      },
    );
  }
  throw new FormatError("There is no model in this folder.", {
    path,
    hint: "A model is a .gguf file, or .safetensors files with a config.json.",
    reason: "no-model",
  });
}

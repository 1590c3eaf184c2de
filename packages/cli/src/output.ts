/** Output arguments: a file, a folder, a place on a server, or standard output. */
import { stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import type { OutputStore, Plan } from "@requant/convert";
import { type ByteSink, IoError, UsageError } from "@requant/core";
import { asIoError } from "@requant/core/node";
import { bounded, withoutTrailing } from "@requant/core/text";
import { commonFolder } from "./common-folder.ts";
import type { Context } from "./context.ts";
import type { RemoteOptions, RemoteOutput } from "./remote-output.ts";
import { remotePlace } from "./remote-place.ts";
import type { OutStream } from "./streams.ts";

/** Where an output goes. */
export interface OutputPlace {
  /** As the user wrote it. */
  readonly argument: string;
  /** Undefined for standard output, and for a place on a server. */
  readonly directory: string | undefined;
  /** Of the one file, or of the parts without their numbers; undefined where the output is a folder. */
  readonly name: string | undefined;
  /** Set for a place on a server. */
  readonly remote?: RemoteOutput | undefined;
}

/** Arguments that mean standard output. */
export const STANDARD_OUTPUT: readonly string[] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/** Endings of files that models are made of: a folder that is named so is a mistake. */
const FILE_ENDING = /\.(?:gguf|safetensors|bin|pth?|npy|npz|json|zip|tar)$/i;

/** What a command makes: one file, a folder of files, or the outputs of several targets. */
export type OutputKind = "file" | "directory" | "several";

/** What is said of a file name where a folder is needed. */
const NEEDS_FOLDER: Readonly<
  Record<Exclude<OutputKind, "file">, { readonly why: string; readonly instead: string }>
> = {
  directory: {
    why: "The output of this target is a directory",
    instead: "choose a target that is one file",
  },
  several: { why: "Several targets are written into a directory", instead: "name one target" },
};

/**
 * A target of one file goes into a file, unless the output is a folder that exists; everything else is a folder of files.
 * @throws UsageError for an empty name, for a folder named like a file, and for several targets on standard output
 */
export async function outputPlace(
  argument: string,
  makes: OutputKind,
  options: RemoteOptions = {},
  environment: NodeJS.ProcessEnv = process.env,
): Promise<OutputPlace> {
  if (argument.trim() === "") {
    throw new UsageError("The name of the output is empty.", {
      hint: "Give the path of a file or a directory, or - for standard output.",
    });
  }
  const isStandard = STANDARD_OUTPUT.includes(argument);
  if (isStandard && makes === "several") {
    throw new UsageError("Standard output cannot hold the outputs of several targets.", {
      hint: "Give a directory as the output, or name one target.",
    });
  }
  if (isStandard) return { argument, directory: undefined, name: undefined };
  const singleFile = makes === "file";
  const elsewhere = await remotePlace({ argument, singleFile, environment, options });
  if (elsewhere !== undefined) {
    if (makes !== "file") refuseFileName(withoutTrailing(argument, "/"), makes);
    return { argument, directory: undefined, ...elsewhere };
  }
  const path = resolve(argument);
  const kind = await stat(path).catch(() => undefined);
  if (kind !== undefined && !kind.isDirectory() && !kind.isFile()) {
    throw new IoError("The output is a device, a pipe or a socket.", {
      path,
      hint: "Give the path of a file or a directory, or - for standard output.",
    });
  }
  if (kind?.isDirectory() === true) return { argument, directory: path, name: undefined };
  if (makes === "file") return { argument, directory: dirname(path), name: basename(path) };
  refuseFileName(path, makes);
  return { argument, directory: path, name: undefined };
}

/** @throws UsageError for a folder that is named like a file */
function refuseFileName(path: string, makes: Exclude<OutputKind, "file">): void {
  const ending = FILE_ENDING.exec(basename(path))?.[0];
  if (ending === undefined) return;
  const { why, instead } = NEEDS_FOLDER[makes];
  throw new UsageError(`${why}, and "${bounded(basename(path))}" is the name of a file.`, {
    hint: `Leave ${ending} out, or ${instead}.`,
  });
}

/**
 * Standard output as a store of one file that only grows.
 * @throws UsageError where the plan makes several files, or a person would see the bytes
 */
export function streamedOutput(plan: Plan, { streams, options }: Context): OutputStore {
  const [first, second] = plan.files;
  if (second !== undefined) {
    throw new UsageError(
      `${plan.target.text} makes ${plan.files.length} files (${first?.name}, ${second.name} …), which standard output cannot hold.`,
      { hint: "Give a directory as the output, or choose a target that is one file." },
    );
  }
  if (options.json === true) {
    throw new UsageError("The report and the model would both be written to standard output.", {
      hint: "Leave out --json, or give the path of a file as the output.",
    });
  }
  if (streams.out.isTTY === true) {
    throw new UsageError("Standard output is a terminal, and a model is not text.", {
      hint: "Send the output to a file or another program: requant convert … - > model.",
    });
  }
  return {
    name: "standard output",
    open: async () => undefined,
    list: async () => undefined,
    create: async () => streamSink(streams.out),
  };
}

function streamSink(stream: OutStream): ByteSink {
  let byteLength = 0;
  return {
    name: "standard output",
    get byteLength() {
      return byteLength;
    },
    write: (bytes) =>
      new Promise((resolved, rejected) => {
        stream.write(bytes, (error) => {
          if (error !== null && error !== undefined) {
            rejected(asIoError(error, "standard output", "write"));
            return;
          }
          byteLength += bytes.byteLength;
          resolved();
        });
      }),
    close: async () => {},
    abort: async () => {},
  };
}

/** The path of what was written, as the summary shows it: the user's own words, and the names of the files. */
export function shownOutput(place: OutputPlace, files: Plan["files"]): string {
  const { argument, directory, name, remote } = place;
  if (directory === undefined && remote === undefined) return "standard output";
  const paths = files.map((file) => file.name);
  const [only] = paths;
  if (name !== undefined && paths.length === 1 && only === name) return argument;
  const folder = remote === undefined ? folderOf(argument, name) : withoutTrailing(remote.folder, "/");
  const inner = commonFolder(paths);
  const names = paths.map((path) => path.slice(inner.length));
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : "";
  return `${folder === "." ? "" : `${folder}/`}${inner}${names.length === 1 ? names[0] : `{${names.slice(0, MOST_NAMED).join(", ")}${more}}`}`;
}

function folderOf(argument: string, name: string | undefined): string {
  if (name !== undefined) return dirname(argument);
  return argument.slice(0, 1) + withoutTrailing(argument.slice(1), "/\\");
}

/** Files named in a summary. */
const MOST_NAMED = 4;

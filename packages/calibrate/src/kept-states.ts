import { type StagedFile, UsageError } from "@requant/core";
import * as z from "zod/mini";
import type { HiddenStates } from "./hidden-states.ts";

/** Hidden states in a file, which a later process finds again. */
export interface KeptStates extends HiddenStates {
  /** Steps that all windows have gone through: 1 after the embeddings, 1 + n after n layers; 0 for a new file. */
  readonly done: number;
  /** Ends a step: makes its states durable. Every window must have been written. */
  finishStep(): Promise<void>;
}

/** What must be the same for a file to be continued. */
export interface KeptStatesOptions {
  readonly windows: number;
  /** Tokens of each window. */
  readonly tokens: number;
  readonly columns: number;
  /** Says which model and which text: states of others are thrown away. */
  readonly settings: string;
}

const lineSchema = z.object({ settings: z.string(), done: z.int(), checksum: z.int() });

/** Bytes of the file that `keepStates` needs: the states before a step and those after it. */
export function keptStatesByteLength({
  windows,
  tokens,
  columns,
}: Omit<KeptStatesOptions, "settings">): number {
  return 2 * windows * tokens * columns * 4;
}

/**
 * Hidden states in a staged file of `keptStatesByteLength` bytes. A step writes beside the states that it reads, so after a crash
 * the step is done again from the states before it: the same bytes in the end. The journal has a line for each finished step; it
 * is believed only where the checksum of the states is right. Memory: one window.
 *
 * End its use with the staged file's `keep` (to continue later) or `discard`.
 */
export async function keepStates(file: StagedFile, options: KeptStatesOptions): Promise<KeptStates> {
  const { windows, tokens, columns, settings } = options;
  if (file.byteLength !== keptStatesByteLength(options)) {
    throw new UsageError(
      `The file for hidden states has ${file.byteLength} bytes, and ${keptStatesByteLength(options)} are needed.`,
      { path: file.name },
    );
  }
  const windowBytes = 4 * tokens * columns;
  const checksums = new Uint32Array(windows);
  const written = new Uint8Array(windows);
  const placeOf = (step: number, window: number): number => ((step % 2) * windows + window) * windowBytes;
  const bytesOf = (window: number, values: Float32Array): Uint8Array => {
    if (window >= 0 && window < windows && values.byteLength === windowBytes) {
      return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    }
    throw new UsageError(
      `Window ${window} with ${values.length} numbers is not one of ${windows} windows of ${tokens * columns}.`,
    );
  };
  const checksumOf = async (step: number): Promise<number> => {
    const values = new Float32Array(tokens * columns);
    for (let window = 0; window < windows; window++) {
      await file.readInto(bytesOf(window, values), placeOf(step, window));
      checksums[window] = checksum(new Uint32Array(values.buffer));
    }
    return checksum(checksums);
  };
  const last = lastLine(file.journal);
  let done = 0;
  if (last?.settings === settings && (await checksumOf(last.done)) === last.checksum) done = last.done;
  else await file.cutJournal(0);
  return {
    windows,
    tokens,
    columns,
    get done() {
      return done;
    },
    async read(window, out) {
      const step = written[window] === 1 ? done + 1 : done;
      // files are not read into memory that threads share
      const values = new Float32Array(out.length);
      await file.readInto(bytesOf(window, values), placeOf(step, window));
      out.set(values);
    },
    async write(window, values) {
      // a copy: a write may still be under way when the caller's numbers, which threads share, change
      const copy = values.slice();
      await file.write(bytesOf(window, copy), placeOf(done + 1, window));
      checksums[window] = checksum(new Uint32Array(copy.buffer));
      written[window] = 1;
    },
    async finishStep() {
      const missing = written.indexOf(0);
      if (missing >= 0) throw new UsageError(`Window ${missing} was not written in this step.`);
      done += 1;
      written.fill(0);
      await file.sync();
      const line = JSON.stringify({ settings, done, checksum: checksum(checksums) });
      await file.log(new TextEncoder().encode(`${line}\n`));
      await file.sync();
    },
  };
}

/** The last whole line of a journal; undefined where there is none, or it is not one of these. */
function lastLine(journal: Uint8Array): z.infer<typeof lineSchema> | undefined {
  const lines = new TextDecoder().decode(journal).split("\n");
  const text = lines.at(-2);
  if (text === undefined) return undefined;
  try {
    const parsed = lineSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** FNV-1a over words of 32 bits. */
function checksum(words: Uint32Array): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < words.length; i++) sum = Math.imul(sum ^ words[i]!, 0x01000193);
  return sum >>> 0;
}

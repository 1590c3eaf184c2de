/** Hidden states of a forward pass: in memory, or in a working file beyond a limit. */
import { type HiddenStates, memoryStates } from "@requant/calibrate";
import { IoError, type StagedBytes, type StagedFile, type WriteStore } from "@requant/core";

/** Sizes of hidden states. */
export type StatesSize = Pick<HiddenStates, "windows" | "tokens" | "columns">;

export function statesByteLength({ windows, tokens, columns }: StatesSize): number {
  return 4 * windows * tokens * columns;
}

/** Hidden states in a file, from `start` on, in the byte order of this machine. */
export function stagedStates(file: StagedBytes, start: number, size: StatesSize): HiddenStates {
  const length = 4 * size.tokens * size.columns;
  const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
    new Uint8Array(buffer, byteOffset, byteLength);
  return {
    windows: size.windows,
    tokens: size.tokens,
    columns: size.columns,
    read: (window, out) => file.readInto(bytesOf(out), start + window * length),
    write: (window, values) => file.write(bytesOf(values), start + window * length),
  };
}

/** Reads what was written before a layer from one place, and what the layer writes, into another: the first stays as it is. */
export function handedOver(from: HiddenStates, to: HiddenStates): HiddenStates {
  const written = new Set<number>();
  return {
    windows: from.windows,
    tokens: from.tokens,
    columns: from.columns,
    read: (window, out) => (written.has(window) ? to : from).read(window, out),
    write(window, values) {
      written.add(window);
      return to.write(window, values);
    },
  };
}

/** Gives out hidden states; those of more bytes than `limit` lie in working files. */
export class StatesRoom {
  readonly #store: Pick<WriteStore, "name" | "stage"> | undefined;
  readonly #name: string;
  readonly #limit: number;
  readonly #files: Promise<StagedFile>[] = [];
  #inMemory = 0;

  /** @param name what the names of working files begin with */
  constructor(store: Pick<WriteStore, "name" | "stage"> | undefined, name: string, limit: number) {
    this.#store = store;
    this.#name = name;
    this.#limit = limit;
  }

  /** Zeros at first. */
  make(size: StatesSize): HiddenStates {
    const byteLength = statesByteLength(size);
    if (this.#store?.stage === undefined || this.#inMemory + byteLength <= this.#limit) {
      this.#inMemory += byteLength;
      return memoryStates(size.windows, size.tokens, size.columns);
    }
    let file: Promise<StagedFile> | undefined;
    const opened = async (): Promise<HiddenStates> => {
      file ??= this.#stage(byteLength);
      return stagedStates(await file, 0, size);
    };
    return {
      ...size,
      read: async (window, out) => (await opened()).read(window, out),
      write: async (window, values) => (await opened()).write(window, values),
    };
  }

  /** States that are made again and again, each time in place of those before. */
  reused(): (windows: number, tokens: number, columns: number) => HiddenStates {
    let last: HiddenStates | undefined;
    return (windows, tokens, columns) => {
      if (last?.windows !== windows || last.tokens !== tokens || last.columns !== columns) {
        last = this.make({ windows, tokens, columns });
      }
      return zeroAtFirst(last);
    };
  }

  /** Removes the working files. */
  async close(): Promise<void> {
    for (const file of this.#files) await (await file.catch(() => undefined))?.discard();
  }

  #stage(byteLength: number): Promise<StagedFile> {
    const stage = this.#store?.stage?.bind(this.#store);
    if (stage === undefined) throw new IoError("There is no place for hidden states.");
    const file = stage(`${this.#name}-${this.#files.length}`, { byteLength });
    this.#files.push(file);
    return file;
  }
}

/** Bytes of hidden states in memory. */
const STATES_BYTE_LENGTH = 2 ** 30;

/** The room of a measurement that leaves nothing behind. */
export function roomFor(options: {
  readonly spill?: Pick<WriteStore, "name" | "stage"> | undefined;
  readonly statesByteLength?: number | undefined;
}): StatesRoom {
  return new StatesRoom(options.spill, "hidden-states", options.statesByteLength ?? STATES_BYTE_LENGTH);
}

function zeroAtFirst(states: HiddenStates): HiddenStates {
  const written = new Set<number>();
  return {
    windows: states.windows,
    tokens: states.tokens,
    columns: states.columns,
    read(window, out) {
      if (written.has(window)) return states.read(window, out);
      out.fill(0);
    },
    write(window, values) {
      written.add(window);
      return states.write(window, values);
    },
  };
}

/** Files for stores that only append: memory, a network, a page. */
import { type ByteSink, IoError } from "@requant/core";
import type { FileLayout } from "../../plan/files/layout.ts";
import type { Piece } from "../pieces.ts";
import type { RunState } from "../run-state.ts";
import { checkPublishedFiles } from "./check-file.ts";
import type { RunOutput } from "./output.ts";
import type { OutputStore } from "./store.ts";

/** Zeros written at a time. */
const GAP_BYTE_LENGTH = 64 * 1024;

/** Pieces may come in any order: each waits for its turn, which also keeps workers from running ahead. */
export class AppendOutput implements RunOutput {
  /** One job, because reading ahead of a slow sink would only fill the memory. */
  readonly slots = 1;
  private readonly sinks: ByteSink[] = [];
  private readonly turns = new Map<string, { open(): void; fail(error: unknown): void }>();
  private readonly late = new Map<string, { readonly piece: Piece; readonly bytes: Uint8Array }>();
  private failure: { readonly error: unknown } | undefined;
  private next = { file: 0, index: 0 };
  private readonly run: RunState;
  private readonly store: OutputStore;
  private readonly layouts: readonly FileLayout[];
  /** Pieces in each file. */
  private readonly counts: readonly number[];

  constructor(run: RunState, store: OutputStore) {
    this.run = run;
    this.store = store;
    this.layouts = run.layouts;
    this.counts = run.pieceCounts;
  }

  /** Writes the first file's header, and whole files up to the first that has pieces. */
  async begin(): Promise<void> {
    if (this.layouts.length === 0) return;
    await this.beginFile();
    await this.passEmptyFiles();
  }

  readonly deliver = async (piece: Piece, bytes: Uint8Array): Promise<void> => {
    if (piece.late === true && keyOf(piece) !== keyOf(this.next)) {
      // if it waited for its turn, the jobs in between could not start
      this.late.set(keyOf(piece), { piece, bytes: bytes.slice() });
      return;
    }
    await this.turnOf(piece);
    try {
      await this.write(piece, bytes);
      for (let kept = this.takeLate(); kept !== undefined; kept = this.takeLate()) {
        await this.write(kept.piece, kept.bytes);
      }
    } catch (error) {
      this.fail(error);
      throw error;
    }
    this.turns.get(keyOf(this.next))?.open();
  };

  private takeLate(): { readonly piece: Piece; readonly bytes: Uint8Array } | undefined {
    const key = keyOf(this.next);
    const kept = this.late.get(key);
    this.late.delete(key);
    return kept;
  }

  private async write(piece: Piece, bytes: Uint8Array): Promise<void> {
    const sink = this.sinks[piece.file];
    if (sink === undefined) throw new IoError("The file is not open.", { path: this.store.name });
    await fillTo(sink, piece.byteOffset);
    await sink.write(bytes);
    this.next = { file: piece.file, index: piece.index + 1 };
    await this.passEmptyFiles();
  }

  fail(error: unknown): void {
    this.failure ??= { error };
    for (const turn of this.turns.values()) turn.fail(error);
  }

  /** On failure no file keeps its name. */
  async publish(): Promise<void> {
    const closed: string[] = [];
    try {
      for (const [index, sink] of this.sinks.entries()) {
        await sink.close();
        closed.push(this.layouts[index]?.file.name ?? "");
      }
    } catch (error) {
      for (const name of closed) await this.store.remove?.(name);
      throw error;
    }
  }

  async end(): Promise<void> {
    for (const sink of this.sinks) await sink.abort();
  }

  checkPublished(): Promise<void> {
    return checkPublishedFiles(this.run, this.store);
  }

  private turnOf(piece: Piece): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure.error);
    const key = keyOf(piece);
    if (key === keyOf(this.next)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.turns.set(key, {
        open: () => {
          this.turns.delete(key);
          resolve();
        },
        fail: reject,
      });
    });
  }

  private async beginFile(): Promise<void> {
    const layout = this.layouts[this.next.file];
    if (layout === undefined) return;
    const sink = await this.store.create(layout.file.name);
    this.sinks.push(sink);
    await sink.write(layout.header);
  }

  /** Completes files whose pieces are all written, and begins the next file. */
  private async passEmptyFiles(): Promise<void> {
    while (this.next.file < this.layouts.length && this.next.index === this.counts[this.next.file]) {
      const sink = this.sinks[this.next.file];
      const planned = this.layouts[this.next.file]?.file.byteLength ?? 0;
      if (sink !== undefined) await fillTo(sink, planned);
      this.next = { file: this.next.file + 1, index: 0 };
      await this.beginFile();
    }
  }
}

function keyOf({ file, index }: { readonly file: number; readonly index: number }): string {
  return `${file}:${index}`;
}

/** Zeros up to a place. @throws IoError when more is written already */
async function fillTo(sink: ByteSink, byteOffset: number): Promise<void> {
  if (sink.byteLength > byteOffset) {
    throw new IoError(`The plan says ${byteOffset} bytes, ${sink.byteLength} were written.`, {
      path: sink.name,
    });
  }
  while (sink.byteLength < byteOffset) {
    await sink.write(new Uint8Array(Math.min(GAP_BYTE_LENGTH, byteOffset - sink.byteLength)));
  }
}

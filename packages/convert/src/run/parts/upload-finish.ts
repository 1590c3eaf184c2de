/** The end of a plan whose files a server takes in chunks: every chunk is looked for, and the server puts them together. */
import { IoError, type SharedUploads, UsageError } from "@requant/core";
import type { FileLayout } from "../../plan/files/layout.ts";
import { checkPublishedFiles } from "../outputs/check-file.ts";
import type { JournalHead } from "../outputs/journal.ts";
import type { RunOutput } from "../outputs/output.ts";
import type { OutputStore } from "../outputs/store.ts";
import type { Job } from "../pieces.ts";
import type { RunState } from "../run-state.ts";
import { Claims, countOfGroup } from "./ledger.ts";
import { mostFrequent, wordsForParts } from "./named-parts.ts";
import type { PartWork } from "./part-work.ts";
import type { Chunks } from "./upload-chunks.ts";

/** What is finished. */
export interface UploadFinishPlace {
  readonly uploads: SharedUploads;
  readonly store: OutputStore;
  readonly parts: PartWork;
  readonly chunks: Chunks;
  readonly head: JournalHead;
  /** What the server has of a file, by index; undefined for a file that it has put together already. */
  readonly found: (file: number) => ReadonlyMap<number, string> | undefined;
}

export class UploadFinish implements RunOutput {
  readonly slots = 1;
  private readonly run: RunState;
  private readonly place: UploadFinishPlace;
  /** By file: the server's answers to all its chunks, by index. */
  private readonly answers: readonly Map<number, string>[];
  /** Files whose checksum on the server is that of their chunks. */
  private readonly confirmed = new Set<number>();

  constructor(run: RunState, place: UploadFinishPlace) {
    this.run = run;
    this.place = place;
    this.answers = place.uploads.files.map((_, file) => new Map(place.found(file)));
  }

  async deliver(): Promise<void> {
    throw new UsageError("All pieces are made already.");
  }

  /** None: the server must have every chunk. @throws UsageError, IoError naming the parts of those that it has not */
  async jobsLeft(): Promise<readonly Job[]> {
    const { run, place } = this;
    const claims = new Claims(place.head);
    const logsOf = new Map<number, number>();
    for await (const { group, bytes } of place.uploads.allLogs()) {
      run.options.signal?.throwIfAborted();
      claims.add(bytes);
      const count = countOfGroup(group);
      logsOf.set(count, (logsOf.get(count) ?? 0) + 1);
    }
    const count = mostFrequent(logsOf);
    const missing = new Set<number>();
    const lost = new Set<number>();
    for (const [index] of this.answers.entries()) this.lookForChunks(index, claims, missing, lost);
    for (const piece of run.work.jobs.flatMap(({ pieces }) => pieces)) {
      const result = claims.results.get(place.parts.numberOf(piece));
      if (result !== undefined) run.setResult(piece, result);
      else for (const chunk of place.chunks.of(piece)) missing.add(chunk);
    }
    const words = (chunks: ReadonlySet<number>): string => {
      const parts = new Set<number>();
      for (const chunk of chunks) parts.add(place.parts.partOf(place.chunks.firstJobOf(chunk) ?? 0, count));
      return wordsForParts(parts, count);
    };
    const path = place.uploads.name;
    if (missing.size > 0) {
      throw new UsageError(`The plan is not finished: it lacks ${words(missing)}.`, {
        path,
        hint: "Run these parts, then finish again.",
        reason: "parts-missing",
      });
    }
    if (lost.size > 0) {
      throw new IoError(`The server does not have the bytes of ${words(lost)} as they were sent.`, {
        path,
        hint: "Run these parts again, then finish again.",
        reason: "parts-damaged",
      });
    }
    return [];
  }

  /** @param missing gets the chunks that no ledger claims. @param lost gets those that the server has not, or has otherwise */
  private lookForChunks(file: number, claims: Claims, missing: Set<number>, lost: Set<number>): void {
    const { chunks, found } = this.place;
    const own = found(file);
    for (const { index, number } of chunks.ofFile(file)) {
      if (chunks.firstJobOf(number) === undefined) continue;
      const claimed = claims.answers.get(number);
      const answer = own === undefined ? undefined : own.get(index);
      if (claimed === undefined) {
        if (own !== undefined) missing.add(number);
      } else if (own !== undefined && (answer === undefined || !claimed.has(answer))) lost.add(number);
    }
  }

  /** Sends the chunks that have no tensors: side files, and what a long header fills. */
  async begin(): Promise<void> {
    const { run, place } = this;
    for (const [file, upload] of place.uploads.files.entries()) {
      if (place.found(file) === undefined) continue;
      const header = run.layouts[file]?.header ?? new Uint8Array();
      for (const { index, number } of place.chunks.ofFile(file)) {
        if (place.chunks.firstJobOf(number) !== undefined) continue;
        run.options.signal?.throwIfAborted();
        const start = index * upload.partByteLength;
        const bytes = new Uint8Array(Math.min(upload.partByteLength, upload.byteLength - start));
        bytes.set(header.subarray(start, start + bytes.byteLength));
        this.answers[file]?.set(index, await upload.put(index, bytes));
      }
    }
  }

  async publish(): Promise<void> {
    const { uploads, found } = this.place;
    for (const file of publishOrder(this.run.layouts)) {
      if (found(file) === undefined) continue;
      const isConfirmed = await uploads.files[file]?.publish(this.answers[file] ?? new Map());
      if (isConfirmed === true) this.confirmed.add(file);
    }
  }

  /** Reads lengths and headers again; and all pieces of a file whose checksum the server does not tell. */
  checkPublished(): Promise<void> {
    return checkPublishedFiles(this.run, this.place.store, (file) => this.confirmed.has(file), "damaged");
  }

  async end(): Promise<void> {}
}

/** Files with tensors first, an index of shards last: who finds it finds all that it names. */
function publishOrder(layouts: readonly FileLayout[]): number[] {
  const rank = ({ file, tensors }: FileLayout): number =>
    tensors.length > 0 ? 0 : file.name.endsWith(".index.json") ? 2 : 1;
  return [...layouts.entries()].sort(([, a], [, b]) => rank(a) - rank(b)).map(([file]) => file);
}

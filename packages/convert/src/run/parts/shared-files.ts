/** The unfinished files of a run, which other processes write too. */
import { IoError, type SharedFile, type SharedWork, type StagedAddress } from "@requant/core";
import type { FileLayout } from "../../plan/files/layout.ts";
import type { Piece } from "../pieces.ts";
import type { WorkerSetup } from "../workers/protocol.ts";

export class SharedFiles {
  private readonly files: readonly SharedFile[];

  private constructor(files: readonly SharedFile[]) {
    this.files = files;
  }

  static async open(shared: SharedWork, layouts: readonly FileLayout[]): Promise<SharedFiles> {
    const files: SharedFile[] = [];
    try {
      for (const { file } of layouts) files.push(await shared.open(file));
      return new SharedFiles(files);
    } catch (error) {
      for (const file of files) await file.close();
      throw error;
    }
  }

  /** Undefined where only this thread can write the files: workers then send the pieces back. */
  get addresses(): WorkerSetup["outputs"] {
    const found: { readonly address: StagedAddress; readonly name: string }[] = [];
    for (const { address, name } of this.files) {
      if (address !== undefined) found.push({ address, name });
    }
    return found.length === this.files.length ? found : undefined;
  }

  /** The file with an index of the run. */
  at(index: number): SharedFile {
    const file = this.files[index];
    if (file === undefined) throw new IoError(`There is no open file number ${index}.`);
    return file;
  }

  readonly deliver = (piece: Piece, bytes: Uint8Array): Promise<void> =>
    this.at(piece.file).write(bytes, piece.byteOffset);

  readonly readBack = (piece: Piece, target: Uint8Array): Promise<void> =>
    this.at(piece.file).readInto(target, piece.byteOffset);

  async sync(indices: Iterable<number> = this.files.keys()): Promise<void> {
    for (const index of indices) await this.at(index).sync();
  }

  async close(): Promise<void> {
    for (const file of this.files) await file.close();
  }
}

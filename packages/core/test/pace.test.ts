import { type FileHandle, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Pace, transfersOf } from "../src/io/node/transfers.ts";

describe("the choice between synchronous and asynchronous transfers", () => {
  it("is synchronous while the bytes come from memory, whatever their number", () => {
    const pace = new Pace();
    for (const byteLength of [10, 1000, 2_000_000, 200_000_000]) {
      expect(pace.isHere()).toBe(true);
      pace.took(byteLength / 5_000_000, byteLength);
    }
    expect(pace.isHere()).toBe(true);
  });

  it("is asynchronous after a slow transfer, and then synchronous again", () => {
    const pace = new Pace();
    const seen: boolean[] = [];
    for (let i = 0; i < 40; i++) {
      const here = pace.isHere();
      seen.push(here);
      // a disk of half a gigabyte per second
      if (here) pace.took(4, 2_000_000);
    }
    expect(seen.filter((here) => here).length).toBe(3);
    expect(seen.indexOf(true, 1)).toBe(17);
  });
});

describe("transfers", () => {
  it("move the same bytes either way, and other tasks run in between", async () => {
    const folder = await mkdtemp(join(tmpdir(), "requant-pace-"));
    const path = join(folder, "file");
    await writeFile(path, "");
    const handle = await open(path, "r+");
    const transfers = transfersOf(handle);
    const bytes = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7) % 251);
    let turns = 0;
    const ticking = setInterval(() => {
      turns += 1;
    }, 0);
    try {
      // synchronous and asynchronous: more calls than the patience after a slow one
      for (let i = 0; i < 50; i++) {
        expect(await transfers.write(bytes, 0, bytes.length, i * bytes.length)).toBe(bytes.length);
      }
      for (let i = 0; i < 50; i++) {
        const target = new Uint8Array(bytes.length + 2);
        expect(await transfers.read(target, 1, bytes.length, i * bytes.length)).toBe(bytes.length);
        expect(target.subarray(1, -1)).toEqual(bytes);
        expect([target[0], target.at(-1)]).toEqual([0, 0]);
      }
      expect(await transfers.read(new Uint8Array(4), 0, 4, 50 * bytes.length)).toBe(0);
      const turnsBefore = turns;
      const deadline = performance.now() + 1000;
      while (turns === turnsBefore && performance.now() < deadline)
        await transfers.read(new Uint8Array(1), 0, 1, 0);
      expect(turns).toBeGreaterThan(turnsBefore);
    } finally {
      clearInterval(ticking);
      await handle.close();
    }
    await expect(transfers.read(new Uint8Array(1), 0, 1, 0)).rejects.toMatchObject({ code: "EBADF" });
    await rm(folder, { recursive: true });
  });
});

describe("long writes", () => {
  const bytes = Uint8Array.from({ length: 700_001 }, (_, i) => (i * 7 + (i >> 9)) % 251);

  /** A file without a descriptor: nothing is written in this thread. `take` returns how many bytes it took. */
  const fileOf = (take: (source: Uint8Array, position: number) => number): FileHandle =>
    ({
      fd: -1,
      async write(source: Uint8Array, offset: number, length: number, position: number) {
        return { bytesWritten: take(source.subarray(offset, offset + length), position), buffer: source };
      },
    }) as Partial<FileHandle> as FileHandle;

  it("are made in short pieces by another thread", async () => {
    const calls: number[] = [];
    const file = new Uint8Array(bytes.length + 3);
    const handle = fileOf((piece, position) => {
      calls.push(piece.length);
      // a system may write less than it was given
      const taken = piece.subarray(0, 200_000);
      file.set(taken, position);
      return taken.length;
    });
    expect(await transfersOf(handle).write(bytes, 1, bytes.length - 1, 2)).toBe(bytes.length - 1);
    expect(Buffer.compare(file.subarray(2, bytes.length + 1), bytes.subarray(1))).toBe(0);
    expect(calls).toEqual([262_144, 262_144, 262_144, 100_000]);
  });

  it("end where nothing is written any more", async () => {
    const counts = [5000, 0];
    const handle = fileOf(() => counts.shift() ?? Number.NaN);
    expect(await transfersOf(handle).write(bytes, 0, bytes.length, 0)).toBe(5000);
  });

  it("write the same bytes in this thread", async () => {
    const folder = await mkdtemp(join(tmpdir(), "requant-long-"));
    const path = join(folder, "file");
    const handle = await open(path, "w");
    try {
      expect(await transfersOf(handle).write(bytes, 1, bytes.length - 1, 0)).toBe(bytes.length - 1);
      expect(Buffer.compare(await readFile(path), bytes.subarray(1))).toBe(0);
    } finally {
      await handle.close();
      await rm(folder, { recursive: true });
    }
  });
});

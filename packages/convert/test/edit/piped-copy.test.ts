import { type ByteSink, type ByteSource, memorySource } from "@requant/core";
import { describe, expect, it } from "vitest";
import { PipedCopy } from "../../src/edit/piped-copy.ts";

const MB = 1024 * 1024;

/** A sink whose writes last some milliseconds, and a source: both note what begins and ends. */
function noting(bytes: Uint8Array): {
  readonly source: ByteSource;
  readonly sink: ByteSink;
  readonly notes: string[];
  readonly written: Uint8Array[];
} {
  const notes: string[] = [];
  const written: Uint8Array[] = [];
  const memory = memorySource(bytes, "in");
  let byteLength = 0;
  return {
    notes,
    written,
    source: {
      ...memory,
      async readInto(target, start) {
        notes.push("read");
        await memory.readInto(target, start);
      },
    },
    sink: {
      name: "out",
      get byteLength() {
        return byteLength;
      },
      async write(piece) {
        notes.push("write");
        await new Promise((resolve) => setTimeout(resolve, 20));
        // late: a piece that was read over would show
        written.push(piece.slice());
        byteLength += piece.byteLength;
        notes.push("written");
      },
      async close() {},
      async abort() {},
    },
  };
}

const bytes = Uint8Array.from({ length: 9 * MB + 5 }, (_, i) => (i * 31 + (i >> 12)) % 251);

describe("PipedCopy", () => {
  it("reads the next piece while one is written, and writes them in order", async () => {
    const { source, sink, notes, written } = noting(bytes);
    const copy = new PipedCopy(source, sink, undefined);
    await copy.range(3, bytes.length - 3);
    await copy.zerosUntil(bytes.length);
    await copy.end();
    const wanted = Buffer.concat([bytes.subarray(3), new Uint8Array(3)]);
    expect(Buffer.compare(Buffer.concat(written), wanted)).toBe(0);
    expect(notes.slice(0, 6)).toEqual(["read", "write", "read", "written", "write", "read"]);
  });

  it("throws what a write ended with, and writes nothing after it", async () => {
    const { source, sink, notes } = noting(bytes);
    const failure = new Error("the disk is full");
    const full: ByteSink = { ...sink, write: () => Promise.reject(failure) };
    const copy = new PipedCopy(source, full, undefined);
    await expect(copy.range(0, bytes.length)).rejects.toBe(failure);
    expect(notes).toEqual(["read", "read"]);
  });

  it("waits for the write under way before it throws what a read ended with", async () => {
    const { source, sink, notes } = noting(bytes);
    const copy = new PipedCopy(source, sink, undefined);
    await expect(copy.range(5 * MB, 5 * MB)).rejects.toMatchObject({ code: "IO" });
    expect(notes.filter((note) => note === "write")).toHaveLength(1);
    expect(notes.at(-1)).toBe("written");
  });

  it("stops at a piece when it is told to", async () => {
    const { source, sink, notes } = noting(bytes);
    const abort = new AbortController();
    const copy = new PipedCopy(source, sink, abort.signal);
    const copying = copy.range(0, bytes.length);
    abort.abort();
    await expect(copying).rejects.toMatchObject({ name: "AbortError" });
    expect(notes).toEqual(["read", "write", "written"]);
  });
});

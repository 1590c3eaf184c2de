import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type PagedReadsOptions, pagedReads } from "../src/paged-reads.ts";

const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index % 251);
const tensor = { byteLength: bytes.length };

function counted(options: PagedReadsOptions) {
  const reads: [number, number][] = [];
  const memories = new Set<ArrayBufferLike>();
  const paged = pagedReads(async (_tensor: typeof tensor, start, target) => {
    reads.push([start, start + target.byteLength]);
    memories.add(target.buffer);
    await Promise.resolve();
    target.set(bytes.subarray(start, start + target.byteLength));
  }, options);
  const read = (start: number, end: number): Promise<Uint8Array> =>
    paged.use(tensor, start, end, (found) => found.slice());
  const into = async (start: number, end: number): Promise<Uint8Array> => {
    const target = new Uint8Array(end - start);
    await paged.into(tensor, start, target);
    return target;
  };
  return { reads, memories, read, into };
}

const ranges = fc.array(
  fc.tuple(fc.nat(1000), fc.nat(1000)).map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]),
  { maxLength: 20 },
);

describe("pagedReads", () => {
  it("gives the same bytes as direct reads, whatever the order", async () => {
    await fc.assert(
      fc.asyncProperty(ranges, async (wanted) => {
        const { read, into } = counted({ pageByteLength: 64, pageCount: 3 });
        for (const [start, end] of wanted) {
          expect(await read(start, end)).toEqual(bytes.subarray(start, end));
          expect(await into(start, end)).toEqual(bytes.subarray(start, end));
        }
      }),
    );
  });

  it("gives the same bytes when all reads are under way at the same time", async () => {
    await fc.assert(
      fc.asyncProperty(ranges, async (wanted) => {
        const { read } = counted({ pageByteLength: 64, pageCount: 2 });
        const found = await Promise.all(wanted.map(([start, end]) => read(start, end)));
        expect(found).toEqual(wanted.map(([start, end]) => bytes.subarray(start, end)));
      }),
    );
  });

  it("reads each page once for rows taken alternately from two places", async () => {
    const { reads, read } = counted({ pageByteLength: 100, pageCount: 2 });
    for (let row = 0; row < 10; row++) {
      await read(row * 10, row * 10 + 10);
      await read(500 + row * 10, 510 + row * 10);
    }
    expect(reads).toEqual([
      [0, 100],
      [500, 600],
    ]);
  });

  it("reads into the same memory again and again", async () => {
    const { reads, memories, read } = counted({ pageByteLength: 100, pageCount: 2 });
    for (let round = 0; round < 10; round++) {
      for (let start = 0; start < 1000; start += 25) await read(start, start + 25);
      await read(0, 900);
    }
    expect(reads.length).toBe(10 * 11);
    // two pages and the one that takes the place of another, and one long read
    expect(memories.size).toBeLessThanOrEqual(4);
  });

  it("reads a page again after a failure", async () => {
    let calls = 0;
    const paged = pagedReads(
      async (_tensor: typeof tensor, start, target) => {
        calls += 1;
        if (calls === 1) throw new Error("network");
        target.set(bytes.subarray(start, start + target.byteLength));
      },
      { pageByteLength: 100 },
    );
    await expect(paged.use(tensor, 0, 10, (found) => found.slice())).rejects.toThrow("network");
    expect(await paged.use(tensor, 0, 10, (found) => found.slice())).toEqual(bytes.subarray(0, 10));
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pagedReads } from "../../src/model/paged-reads.ts";

const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index % 251);
const tensor = { byteLength: bytes.length };

function counted(options: { pageByteLength: number; pageCount: number }) {
  const reads: [number, number][] = [];
  const read = pagedReads(async (_tensor: typeof tensor, start, end) => {
    reads.push([start, end]);
    return bytes.subarray(start, end);
  }, options);
  return { reads, read: (start: number, end: number) => read(tensor, start, end) };
}

describe("pagedReads", () => {
  it("gives the same bytes as direct reads, whatever the order", async () => {
    const range = fc
      .tuple(fc.nat(1000), fc.nat(1000))
      .map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]);
    await fc.assert(
      fc.asyncProperty(fc.array(range, { maxLength: 20 }), async (ranges) => {
        const { read } = counted({ pageByteLength: 64, pageCount: 3 });
        for (const [start, end] of ranges) expect(await read(start, end)).toEqual(bytes.subarray(start, end));
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

  it("reads a page again after a failure", async () => {
    let calls = 0;
    const read = pagedReads(
      async (_tensor: typeof tensor, start, end) => {
        calls += 1;
        if (calls === 1) throw new Error("network");
        return bytes.subarray(start, end);
      },
      { pageByteLength: 100 },
    );
    await expect(read(tensor, 0, 10)).rejects.toThrow("network");
    expect(await read(tensor, 0, 10)).toEqual(bytes.subarray(0, 10));
  });
});

/** What is held of packed weights, where, and how often it is read. */
import type { LinearWeight, OpenableWeight, StoredPart } from "@requant/core/format";
import { kernelAddress, kernelMemory } from "@requant/core/kernels";
import { describe, expect, it } from "vitest";
import { type LinearReads, linearReads } from "../../src/model/packed-reads.ts";

const ROWS = 4;

/** Weights of one part each, whose f32 are its bytes. `reads` tells which were read; `onRead` is called in the middle of it. */
function readsOf(
  byteLengths: Readonly<Record<string, number>>,
  onRead: () => void = () => {},
): { linear: LinearReads; reads: string[]; views: Uint8Array[] } {
  const reads: string[] = [];
  const views: Uint8Array[] = [];
  const weights = new Map<string, OpenableWeight>();
  for (const name of Object.keys(byteLengths)) {
    weights.set(name, {
      label: "test",
      rows: ROWS,
      columns: 1,
      parameterSuffixes: [],
      examine() {
        throw new Error("not asked for");
      },
      open({ codes }): LinearWeight {
        if (codes === undefined) throw new Error("the part is missing");
        views.push(codes);
        return {
          rows: ROWS,
          columns: 1,
          columnMultiple: 1,
          dequantize: (start, end, out) => out.set(codes.subarray(start, end)),
          toView() {
            throw new Error("not asked for");
          },
        };
      },
    });
  }
  const linear = linearReads(
    weights,
    (name): StoredPart[] => {
      const byteLength = byteLengths[name] ?? 0;
      return [{ name: `${name}.codes`, suffix: "codes", encoding: "U8", shape: [byteLength], byteLength }];
    },
    async ({ name }, target) => {
      reads.push(name);
      await Promise.resolve();
      onRead();
      target.set(Array.from({ length: target.byteLength }, (_, i) => name.charCodeAt(0) + i));
    },
  );
  return { linear, reads, views };
}

async function rowOf(linear: LinearReads, name: string, row: number, ends = false): Promise<number> {
  const out = new Float32Array(1);
  await linear.use(name, (weight) => weight.dequantize(row, row + 1, out), ends);
  return out[0] ?? Number.NaN;
}

const A = "a".charCodeAt(0);

/** All views of the memory of kernels end when it grows. */
const growMemory = (): number => kernelMemory().grow(1);

describe("packed weights that are read in turns", () => {
  it("are read once each", async () => {
    const { linear, reads } = readsOf({ a: 64, b: 64, c: 64 });
    const [a, b, c] = ["a", "b", "c"];
    for (const row of [0, 1, 2]) {
      for (const name of [b, a]) expect(await rowOf(linear, name, row)).toBe(name.charCodeAt(0) + row);
    }
    await rowOf(linear, b, 3);
    // a comes to its end after b was used last
    await rowOf(linear, a, 3, true);
    await rowOf(linear, c, 0);
    await rowOf(linear, b, 0);
    expect(reads).toEqual(["b.codes", "a.codes", "c.codes"]);
  });

  it("lie where kernels work if that was reserved, and give it back", async () => {
    const { linear, views } = readsOf({ a: 1000, b: 5000, c: 64, d: 5100 });
    const giveBack = linear.reserve(["a", "b", "c"]);
    for (const name of ["a", "b", "c", "d"]) await rowOf(linear, name, 0, true);
    expect(views.map((view) => kernelAddress(view) !== undefined)).toEqual([true, true, true, false]);
    giveBack();
    await rowOf(linear, "a", 0);
    expect(views.slice(4).map(kernelAddress)).toEqual([undefined]);
  });

  it("share what is reserved one after the other", async () => {
    const { linear, views } = readsOf({ a: 64, b: 64, c: 64, d: 64 });
    const giveBack = linear.reserve(["a", "b", "c", "d"]);
    for (const name of ["a", "b", "c", "d"]) {
      expect(await rowOf(linear, name, 1, true)).toBe(name.charCodeAt(0) + 1);
    }
    expect(new Set(views.map(kernelAddress)).size).toBe(2);
    giveBack();
  });

  it("are read again when the memory of kernels has grown under them", async () => {
    const { linear, reads, views } = readsOf({ a: 64 });
    const giveBack = linear.reserve(["a"]);
    expect(await rowOf(linear, "a", 0)).toBe(A);
    growMemory();
    expect(await rowOf(linear, "a", 1)).toBe(A + 1);
    expect(await rowOf(linear, "a", 2)).toBe(A + 2);
    expect(reads).toEqual(["a.codes", "a.codes"]);
    expect(views.map(({ length }) => length)).toEqual([0, 64]);
    giveBack();
  });

  it("are read again when it grows while they are read", async () => {
    let grows = true;
    const { linear, reads } = readsOf({ a: 64 }, () => {
      if (grows) growMemory();
      grows = false;
    });
    const giveBack = linear.reserve(["a"]);
    expect(await rowOf(linear, "a", 3)).toBe(A + 3);
    expect(reads).toEqual(["a.codes", "a.codes"]);
    giveBack();
  });

  it("keep the memory that somebody uses while others come", async () => {
    const { linear } = readsOf({ a: 64, b: 64, c: 64 });
    const giveBack = linear.reserve(["a", "b", "c"]);
    const values = [rowOf(linear, "a", 0), rowOf(linear, "b", 0), rowOf(linear, "c", 0)];
    expect(await Promise.all(values)).toEqual([A, A + 1, A + 2]);
    giveBack();
  });

  it("pass on what reading throws, and are tried again", async () => {
    let fails = true;
    const { linear } = readsOf({ a: 64 }, () => {
      if (fails) throw new Error("the disk is gone");
    });
    const giveBack = linear.reserve(["a"]);
    await expect(rowOf(linear, "a", 0)).rejects.toThrow("the disk is gone");
    fails = false;
    expect(await rowOf(linear, "a", 0)).toBe(A);
    giveBack();
  });
});

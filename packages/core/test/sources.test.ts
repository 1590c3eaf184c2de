import {
  type ByteSource,
  blobSource,
  cachedSource,
  coalescedSource,
  IoError,
  memorySink,
  memorySource,
  memoryStore,
  readAheadSource,
  readChunks,
  sliceSource,
  UsageError,
} from "@requant/core";
import { countingSource } from "@requant/core/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { slowSink } from "./slow-sink.ts";

const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7) % 251);

/** As browsers have it that cannot read a Blob into memory of the caller. */
class OldBlob extends Blob {
  override slice(start?: number, end?: number): Blob {
    return Object.assign(super.slice(start, end), {
      stream: () => {
        throw new TypeError("There are no byte streams here.");
      },
    });
  }
}

/** A source whose reads end a little later, so that they overlap. */
function lateSource(): ByteSource {
  const inner = memorySource(bytes, "late");
  const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));
  return {
    ...inner,
    read: (start, end) => later().then(() => inner.read(start, end)),
    readInto: (target, start) => later().then(() => inner.readInto(target, start)),
  };
}

const kinds: Record<string, () => ByteSource> = {
  memory: () => memorySource(bytes),
  "memory inside a larger buffer": () => {
    const outer = new Uint8Array(1100);
    outer.set(bytes, 50);
    return memorySource(outer.subarray(50, 1050));
  },
  Blob: () => blobSource(new Blob([bytes])),
  "Blob without byte streams": () => blobSource(new OldBlob([bytes])),
  slice: () => sliceSource(memorySource(Uint8Array.of(1, 2, 3, ...bytes, 4)), 3, 1003),
  counting: () => countingSource(memorySource(bytes)),
  cached: () => cachedSource(memorySource(bytes), { pageByteLength: 16, maxByteLength: 64 }),
  "cached, large": () => cachedSource(lateSource(), { pageByteLength: 64, maxByteLength: 4096 }),
  coalesced: () => coalescedSource(lateSource(), { gapByteLength: 8, maxByteLength: 100 }),
  "cached over coalesced": () =>
    cachedSource(coalescedSource(lateSource()), { pageByteLength: 32, maxByteLength: 512 }),
};

describe.each(Object.entries(kinds))("%s source", (_, make) => {
  test("property: any reads at any time give the bytes", async () => {
    const range = fc.tuple(fc.nat(1000), fc.nat(1000), fc.boolean());
    await fc.assert(
      fc.asyncProperty(fc.array(range, { maxLength: 12 }), async (ranges) => {
        const source = make();
        expect(source.byteLength).toBe(1000);
        const reads = ranges.map(async ([a, b, into]) => {
          const [start, end] = [Math.min(a, b), Math.max(a, b)];
          if (!into) return expect(await source.read(start, end)).toEqual(bytes.subarray(start, end));
          const target = new Uint8Array(end - start);
          await source.readInto(target, start);
          expect(target).toEqual(bytes.subarray(start, end));
        });
        await Promise.all(reads);
        await source.close();
      }),
      { numRuns: 30 },
    );
  });

  test.each([
    [0, 1001],
    [-1, 5],
    [6, 5],
    [0.5, 2],
    [Number.NaN, 1],
    [0, Number.POSITIVE_INFINITY],
  ])("refuses [%d, %d)", async (start, end) => {
    await expect(make().read(start, end)).rejects.toThrow(IoError);
  });

  test("refuses to fill a target past the end", async () => {
    await expect(make().readInto(new Uint8Array(2), 999)).rejects.toMatchObject({ code: "IO", offset: 999 });
  });
});

test("sources around another one have its version", () => {
  const inner: ByteSource = { ...memorySource(bytes), version: '"one"' };
  const around = [cachedSource(inner), coalescedSource(inner), readAheadSource(inner), countingSource(inner)];
  expect(around.map(({ version }) => version)).toEqual(around.map(() => '"one"'));
});

describe("cachedSource", () => {
  test("neighbouring pages are fetched with one read, later reads need none", async () => {
    const counting = countingSource(memorySource(bytes));
    const cached = cachedSource(counting, { pageByteLength: 100, maxByteLength: 1000 });
    await cached.read(150, 450);
    expect(counting).toMatchObject({ reads: 1, bytes: 400 });
    await cached.read(100, 500);
    await cached.read(333, 334);
    expect(counting.reads).toBe(1);
    // two missing pages around what is known
    await cached.read(50, 550);
    expect(counting).toMatchObject({ reads: 3, bytes: 600 });
  });

  test("reads at the same time share one fetch", async () => {
    const counting = countingSource(lateSource());
    const cached = cachedSource(counting, { pageByteLength: 100, maxByteLength: 1000 });
    await Promise.all([cached.read(0, 10), cached.read(5, 50), cached.read(90, 110)]);
    expect(counting).toMatchObject({ reads: 2, bytes: 200 });
  });

  test("the least recently used page goes first", async () => {
    const counting = countingSource(memorySource(bytes));
    const cached = cachedSource(counting, { pageByteLength: 100, maxByteLength: 200 });
    await cached.read(0, 1);
    await cached.read(100, 101);
    await cached.read(0, 1);
    await cached.read(200, 201);
    expect(counting.reads).toBe(3);
    await cached.read(0, 1);
    expect(counting.reads).toBe(3);
    await cached.read(100, 101);
    expect(counting.reads).toBe(4);
  });

  test("a large read is passed on unchanged", async () => {
    const counting = countingSource(memorySource(bytes));
    const cached = cachedSource(counting, { pageByteLength: 100, maxByteLength: 200 });
    await cached.read(10, 990);
    expect(counting).toMatchObject({ reads: 1, bytes: 980 });
  });

  test("a failed fetch is not remembered", async () => {
    let fail = true;
    const inner = memorySource(bytes);
    const flaky: ByteSource = {
      ...inner,
      read: async (start, end) => {
        if (fail) throw new IoError("flaky");
        return inner.read(start, end);
      },
    };
    const cached = cachedSource(flaky, { pageByteLength: 100, maxByteLength: 1000 });
    await expect(cached.read(0, 250)).rejects.toThrow("flaky");
    fail = false;
    expect(await cached.read(0, 250)).toEqual(bytes.subarray(0, 250));
  });

  test("refuses a bound below one page", () => {
    expect(() => cachedSource(memorySource(bytes), { pageByteLength: 64, maxByteLength: 63 })).toThrow(
      UsageError,
    );
    expect(() => cachedSource(memorySource(bytes), { pageByteLength: 0 })).toThrow(UsageError);
  });
});

describe("coalescedSource", () => {
  test("near reads of one tick become one, far reads stay separate", async () => {
    const counting = countingSource(memorySource(bytes));
    const source = coalescedSource(counting, { gapByteLength: 10 });
    await Promise.all([
      source.read(100, 120),
      source.read(0, 20),
      source.read(125, 140),
      source.read(30, 40),
      source.read(10, 35),
    ]);
    expect(counting).toMatchObject({ reads: 2, bytes: 80 });
    await source.read(0, 1);
    expect(counting.reads).toBe(3);
  });

  test("a merged read has a bound", async () => {
    const counting = countingSource(memorySource(bytes));
    const source = coalescedSource(counting, { gapByteLength: 10, maxByteLength: 50 });
    await Promise.all(Array.from({ length: 10 }, (_, i) => source.read(20 * i, 20 * i + 20)));
    expect(counting).toMatchObject({ reads: 5, longestRead: 40 });
  });

  test("a failure rejects exactly the reads of its group", async () => {
    const inner = memorySource(bytes);
    const broken: ByteSource = {
      ...inner,
      read: async (start, end) => {
        if (start < 100) throw new IoError("bad sector");
        return inner.read(start, end);
      },
    };
    const source = coalescedSource(broken, { gapByteLength: 10 });
    const results = await Promise.allSettled([
      source.read(0, 10),
      source.read(15, 20),
      source.read(500, 510),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
  });
});

describe("blobSource", () => {
  test("takes the name of a File", () => {
    expect(blobSource(new File([bytes], "model.gguf")).name).toBe("model.gguf");
  });

  test("a file that vanished after it was chosen", async () => {
    const blob = new Blob([bytes]);
    blob.slice = () => {
      const gone = new Blob();
      gone.arrayBuffer = () => Promise.reject(new DOMException("gone", "NotReadableError"));
      return gone;
    };
    await expect(blobSource(blob).read(0, 5)).rejects.toMatchObject({
      code: "IO",
      hint: "Choose the file again.",
    });
  });
});

describe("streaming", () => {
  test("a slow sink never has more than one chunk waiting, and the source is not read ahead", async () => {
    const length = 1_000_000;
    const source = countingSource(memorySource(new Uint8Array(length)));
    const sink = slowSink(1);
    for await (const chunk of readChunks(source, 0, length, 64 * 1024)) {
      expect(source.bytes - sink.byteLength).toBeLessThanOrEqual(64 * 1024);
      await sink.write(chunk);
    }
    expect(sink.byteLength).toBe(length);
    expect(sink.mostWaiting).toBe(64 * 1024);
    expect(source).toMatchObject({ reads: 16, bytes: length, longestRead: 64 * 1024 });
  });

  test("chunks are the bytes in order, also for an empty range", async () => {
    const sink = memorySink((result) => expect(result).toEqual(bytes.subarray(3, 997)));
    for await (const chunk of readChunks(memorySource(bytes), 3, 997, 100)) await sink.write(chunk);
    await sink.close();
    for await (const _ of readChunks(memorySource(bytes), 5, 5)) throw new Error("there is nothing to read");
    await expect(readChunks(memorySource(bytes), 0, 5, 0).next()).rejects.toThrow(UsageError);
    await expect(readChunks(memorySource(bytes), 0, 1001).next()).rejects.toThrow(IoError);
  });
});

describe("memoryStore", () => {
  test("a file exists when its sink closes, not before, and never after abort", async () => {
    const store = memoryStore();
    const sink = await store.create("a/b.bin");
    await sink.write(Uint8Array.of(1, 2));
    const reused = Uint8Array.of(3);
    await sink.write(reused);
    reused[0] = 9;
    expect(await store.open("a/b.bin")).toBeUndefined();
    await sink.close();
    expect(store.files.get("a/b.bin")).toEqual(Uint8Array.of(1, 2, 3));
    expect(await (await store.open("a/b.bin"))?.read(0, 3)).toEqual(Uint8Array.of(1, 2, 3));
    const dropped = await store.create("c");
    await dropped.write(Uint8Array.of(1));
    await dropped.abort();
    await dropped.abort();
    await expect(dropped.write(Uint8Array.of(1))).rejects.toThrow(UsageError);
    expect(await store.list()).toEqual([]);
  });

  test("replaces a file only on request", async () => {
    const store = memoryStore();
    await (await store.create("a")).close();
    await expect(store.create("a")).rejects.toMatchObject({ code: "IO", path: "memory/a" });
    const willing = memoryStore({ overwrite: true });
    await (await willing.create("a")).close();
    await (await willing.create("a")).close();
    expect(await willing.list()).toEqual(["a"]);
  });

  test.each([
    "",
    "..",
    "../x",
    "a/../../x",
    "/etc/passwd",
    "a\\b",
    "C:x",
    "a\0b",
    "a//b",
    "./a",
    "a/.",
    "x\u001b[31m",
  ])("refuses the name %j", async (path) => {
    const store = memoryStore();
    await expect(store.create(path)).rejects.toMatchObject({ code: "FORMAT" });
    await expect(store.open(path)).rejects.toMatchObject({ code: "FORMAT" });
  });
});

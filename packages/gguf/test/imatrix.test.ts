import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ByteSink, type ByteSource, isCodecError, memorySink, memorySource } from "@requant/core";
import { describe, expect, test } from "vitest";
import { type Imatrix, imatrixWeights, readImatrix, writeImatrix } from "../src/imatrix.ts";
import { writeGguf } from "../src/writer.ts";

const kjv = readFileSync(new URL("./vectors/recipes/kjv-imatrix.gguf", import.meta.url));

async function collect(write: (sink: ByteSink) => Promise<unknown>): Promise<Uint8Array> {
  let collected: Uint8Array = new Uint8Array(0);
  const sink = memorySink((bytes) => {
    collected = bytes;
  });
  await write(sink);
  await sink.close();
  return collected;
}

async function written(imatrix: Imatrix, form?: "gguf" | "dat"): Promise<Uint8Array> {
  return collect((sink) => writeImatrix(sink, imatrix, form === undefined ? {} : { form }));
}

/** The older form, byte by byte as llama-imatrix --output-format dat writes it. */
function datBytes(
  entries: readonly { name: string; calls: number; values: readonly number[] }[],
  tail?: { chunks: number; dataset: string },
): Uint8Array {
  const parts: Buffer[] = [];
  const i32 = (value: number): void => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    parts.push(bytes);
  };
  const text = (value: string): void => {
    i32(Buffer.byteLength(value));
    parts.push(Buffer.from(value));
  };
  i32(entries.length);
  for (const { name, calls, values } of entries) {
    text(name);
    i32(calls);
    i32(values.length);
    for (const value of values) {
      const bytes = Buffer.alloc(4);
      bytes.writeFloatLE(value);
      parts.push(bytes);
    }
  }
  if (tail !== undefined) {
    i32(tail.chunks);
    text(tail.dataset);
  }
  return new Uint8Array(Buffer.concat(parts));
}

const dat = datBytes(
  [
    { name: "blk.0.attn_k.weight", calls: 3, values: [1, 2, 3.5, 1e-3] },
    { name: "blk.0.ffn_down_exps.weight", calls: 7, values: [10, 20, 30, 40, 50, 60] },
  ],
  { chunks: 9, dataset: "calibration.txt" },
);

async function refusal(source: ByteSource): Promise<string> {
  try {
    await readImatrix(source);
  } catch (error) {
    if (isCodecError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "accepted";
}

describe("GGUF form, as llama-imatrix writes it", () => {
  test("facts and weights", async () => {
    const imatrix = await readImatrix(memorySource(kjv));
    expect(imatrix.form).toBe("gguf");
    expect(imatrix.entries.size).toBe(21);
    expect(imatrix.datasets).toEqual(["imatrix_calib.txt"]);
    expect([imatrix.chunkCount, imatrix.chunkSize]).toEqual([52, 256]);
    expect(imatrix.statsSchema?.slice(0, 3)).toEqual(["sum_sq", "mean", "elements"]);
    // in_sum2 and counts of the file, read with Python's struct
    const sums = [1494.661376953125, 2044.9661865234375, 2398.4521484375, 1953.619873046875];
    const weights = imatrixWeights(imatrix).get("blk.0.attn_k.weight");
    expect(weights?.length).toBe(256);
    expect([...(weights ?? [])].slice(0, 4)).toEqual(sums.map((sum) => Math.fround(sum / 13312)));
  });

  test("writing the matrix that was read gives the same bytes", async () => {
    const imatrix = await readImatrix(memorySource(kjv));
    expect(Buffer.compare(await written(imatrix), kjv)).toBe(0);
  });

  const golden = process.env["REQUANT_GOLDEN"];
  test.skipIf(golden === undefined)(
    "the same for tiny-llama (skipped: REQUANT_GOLDEN is not set)",
    async () => {
      const bytes = readFileSync(join(golden ?? "", "gguf", "models", "imatrix.gguf"));
      expect(Buffer.compare(await written(await readImatrix(memorySource(bytes))), bytes)).toBe(0);
    },
  );

  test("one matrix per expert; an expert without tokens gets ones", async () => {
    const entry = { sums: Float32Array.of(2, 4, 6, 8, 5, 5), counts: [2, 4, 0] };
    const entries = new Map([["blk.0.ffn_up_exps.weight", entry]]);
    const bytes = await written({ form: "gguf", entries, datasets: ["a"], chunkCount: 1, chunkSize: 512 });
    const imatrix = await readImatrix(memorySource(bytes));
    expect(imatrix.entries).toEqual(entries);
    expect([...imatrixWeights(imatrix).values()]).toEqual([Float32Array.of(1, 2, 1.5, 2, 1, 1)]);
  });

  test("as .dat: means times calls, rounded as floats", async () => {
    const imatrix = await readImatrix(memorySource(kjv));
    const legacy = await readImatrix(memorySource(await written(imatrix, "dat")));
    expect(legacy.form).toBe("dat");
    expect(legacy.chunkCount).toBe(52);
    expect(legacy.datasets).toEqual(["imatrix_calib.txt"]);
    const entry = legacy.entries.get("blk.0.attn_k.weight");
    // 13,312 tokens are 52 chunks of 256
    expect(entry?.counts).toEqual([52]);
    expect(entry?.sums[0]).toBe(Math.fround(Math.fround(1494.661376953125 / 13312) * 52));
    expect([...legacy.entries.keys()]).toEqual([...imatrix.entries.keys()].sort());
  });
});

describe(".dat form", () => {
  test("facts and weights", async () => {
    const imatrix = await readImatrix(memorySource(dat));
    expect(imatrix).toMatchObject({
      form: "dat",
      datasets: ["calibration.txt"],
      chunkCount: 9,
      chunkSize: 0,
    });
    const weights = imatrixWeights(imatrix);
    expect(weights.get("blk.0.attn_k.weight")).toEqual(
      Float32Array.of(1 / 3, 2 / 3, 3.5 / 3, Math.fround(1e-3) / 3),
    );
    expect(weights.get("blk.0.ffn_down_exps.weight")?.[5]).toBe(Math.fround(60 / 7));
  });

  test("without calls the values are the means; early files have no tail", async () => {
    const imatrix = await readImatrix(memorySource(datBytes([{ name: "a", calls: 0, values: [0.25, 4] }])));
    expect(imatrix).toMatchObject({ datasets: [], chunkCount: 0 });
    expect(imatrixWeights(imatrix).get("a")).toEqual(Float32Array.of(0.25, 4));
  });

  test("writing the matrix that was read gives the same bytes", async () => {
    expect(await written(await readImatrix(memorySource(dat)))).toEqual(dat);
  });

  test("as GGUF: the weights stay", async () => {
    const imatrix = await readImatrix(memorySource(dat));
    const gguf = await readImatrix(memorySource(await written(imatrix, "gguf")));
    expect(gguf.chunkSize).toBe(512);
    // a power of two in both sums and counts changes no quotient
    expect(imatrixWeights(gguf)).toEqual(imatrixWeights(imatrix));
  });
});

test("weights are filtered by parts of their names", async () => {
  const imatrix = await readImatrix(memorySource(kjv));
  const names = (filter: { include?: string[]; exclude?: string[] }): string[] => [
    ...imatrixWeights(imatrix, filter).keys(),
  ];
  expect(names({ include: ["attn_v", "ffn_up"] }).length).toBe(6);
  expect(names({ exclude: ["attn_v", "ffn_up"] }).length).toBe(15);
  expect(() => names({ include: ["a"], exclude: ["b"] })).toThrow(/included or excluded/);
});

describe("broken files", () => {
  test("every prefix of a .dat file is refused, or ends where early files do", async () => {
    const entriesEnd = dat.length - 4 - 4 - "calibration.txt".length;
    for (let end = 0; end < dat.length; end++) {
      const outcome = await refusal(memorySource(dat.subarray(0, end)));
      const complete = end === entriesEnd || end === entriesEnd + 4;
      expect([end, outcome.startsWith("FORMAT")]).toEqual([end, !complete]);
    }
  });

  test("hostile numbers allocate nothing", async () => {
    const count = (value: number, at: number): Promise<string> => {
      const bytes = dat.slice();
      new DataView(bytes.buffer).setInt32(at, value, true);
      return refusal(memorySource(bytes));
    };
    expect(await count(0x7fffffff, 0)).toMatch(/2147483647 entries do not fit in/);
    expect(await count(-1, 0)).toMatch(/number of entries is -1/);
    expect(await count(0x7fffffff, 4)).toMatch(/LIMIT: In the importance matrix, name 0 is 2147483647 bytes/);
    expect(await count(-5, 4)).toMatch(/the length of name 0 is -5/);
    expect(await count(0x7fffffff, 8 + 19 + 4)).toMatch(/needs 8589934588 bytes/);
    expect(await count(0, 8 + 19 + 4)).toMatch(/number of values of blk.0.attn_k.weight is 0/);
    expect(await count(0x7f800000, 8 + 19 + 8)).toMatch(/Value 0 of blk.0.attn_k.weight is Infinity/);
  });

  test("a name twice", async () => {
    const entry = { name: "a", calls: 1, values: [1] };
    expect(await refusal(memorySource(datBytes([entry, entry])))).toMatch(/a occurs twice/);
  });

  const gguf = async (tensors: Record<string, readonly number[]>): Promise<string> => {
    const bytes = await collect((sink) =>
      writeGguf(sink, {
        metadata: new Map(),
        tensors: Object.entries(tensors).map(([name, values]) => ({
          name,
          shape: [values.length],
          encoding: "F32",
          data: [new Uint8Array(Float32Array.from(values).buffer)],
        })),
      }),
    );
    return refusal(memorySource(bytes));
  };

  test("a GGUF file that is not a matrix, or an incomplete one", async () => {
    expect(await gguf({ "a.weight": [1] })).toMatch(/holds no importance matrix/);
    expect(await gguf({ "a.in_sum2": [1] })).toMatch(/a has no counts/);
    expect(await gguf({ "a.counts": [1] })).toMatch(/a has no in_sum2/);
    expect(await gguf({ "a.in_sum2": [1, 2, 3], "a.counts": [1, 2] })).toMatch(/3 sums for 2 counts/);
    expect(await gguf({ "a.in_sum2": [1, 2], "a.counts": [1], "a.in_sum": [1] })).toMatch(/1 sums of inputs/);
    expect(await gguf({ "a.in_sum2": [1, Number.NaN], "a.counts": [1] })).toMatch(
      /Value 1 of a.in_sum2 is NaN/,
    );
  });
});

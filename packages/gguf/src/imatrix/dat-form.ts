/**
 * The older form of importance matrices, ".dat": little-endian, no magic.
 *
 *   entries   i32
 *   each      i32 + bytes name, i32 calls, i32 values, f32[values] (mean square × calls)
 *   then, optional: i32 chunks, i32 + bytes dataset
 *
 * Facts: llama.cpp, tools/imatrix/imatrix.cpp, common/imatrix-loader.cpp.
 */
import {
  ByteReader,
  type ByteSink,
  type ByteSource,
  ByteWriter,
  F32,
  FormatError,
  LimitError,
  type Limits,
  largest,
} from "@requant/core";
import {
  finite,
  floatBytes,
  type Imatrix,
  type ImatrixEntry,
  meanSquares,
  type NamedEntries,
} from "./imatrix.ts";

/**
 * Reads a source piece by piece: a matrix of a large mixture of experts has a gigabyte and should be in memory only once.
 */
class Cursor {
  readonly #source: ByteSource;
  offset = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  get left(): number {
    return this.#source.byteLength - this.offset;
  }

  async take(byteLength: number, what: string): Promise<ByteReader> {
    if (byteLength > this.left) {
      throw new FormatError(
        `The importance matrix ends too early: ${what} needs ${byteLength} bytes, ${this.left} are left.`,
        {
          path: this.#source.name,
          offset: this.offset,
          hint: "The file is cut off, or is not an importance matrix.",
        },
      );
    }
    const base = this.offset;
    this.offset += byteLength;
    return new ByteReader(await this.#source.read(base, this.offset), { base, path: this.#source.name });
  }

  async count(what: string, least: number): Promise<number> {
    const count = (await this.take(4, what)).i32(what);
    if (count >= least) return count;
    throw new FormatError(`In the importance matrix, ${what} is ${count}; at least ${least} was expected.`, {
      path: this.#source.name,
      offset: this.offset - 4,
      hint: "The file is not an importance matrix.",
    });
  }
}

/** Bytes of the smallest entry: a name of no bytes and one value. */
const datEntryByteLength = 16;

export async function readDatForm(source: ByteSource, limits: Limits): Promise<Imatrix> {
  const path = source.name;
  const cursor = new Cursor(source);
  const entryCount = await cursor.count("the number of entries", 1);
  if (entryCount > cursor.left / datEntryByteLength) {
    throw new FormatError(`${entryCount} entries do not fit in ${cursor.left} bytes.`, {
      path,
      offset: 0,
      hint: "The file is not an importance matrix.",
    });
  }
  if (entryCount > limits.tensorCount) {
    throw new LimitError(
      `The importance matrix has ${entryCount} entries; at most ${limits.tensorCount} are allowed.`,
      { path },
    );
  }
  const text = async (what: string): Promise<string> => {
    const length = await cursor.count(`the length of ${what}`, 0);
    if (length > limits.stringByteLength) {
      throw new LimitError(
        `In the importance matrix, ${what} is ${length} bytes long; at most ${limits.stringByteLength} are allowed.`,
        {
          path,
        },
      );
    }
    return (await cursor.take(length, what)).utf8(length, what);
  };
  const entries = new Map<string, ImatrixEntry>();
  for (let i = 0; i < entryCount; i++) {
    const name = await text(`name ${i}`);
    if (entries.has(name))
      throw new FormatError(`${name} occurs twice.`, { path, tensor: name, offset: cursor.offset });
    const calls = await cursor.count(`the calls of ${name}`, 0);
    const valueCount = await cursor.count(`the number of values of ${name}`, 1);
    const { bytes } = await cursor.take(valueCount * 4, `the values of ${name}`);
    const sums = new Float32Array(valueCount);
    F32.dequantize(bytes, sums);
    entries.set(name, { sums: finite(sums, name, path), counts: [calls] });
  }
  // files of early versions end here
  const chunkCount = cursor.left === 0 ? 0 : await cursor.count("the number of chunks", 0);
  const dataset = cursor.left === 0 ? "" : await text("the dataset");
  return { form: "dat", entries, datasets: dataset === "" ? [] : [dataset], chunkCount, chunkSize: 0 };
}

export async function writeDatForm(
  sink: ByteSink,
  imatrix: Imatrix,
  entries: NamedEntries,
  chunkSize: number,
): Promise<void> {
  // an entry without data is not stored
  const stored = entries.filter(
    ([, entry]) => imatrix.form === "dat" || entry.counts.some((count) => count > 0),
  );
  const head = new ByteWriter({ capacity: 4 });
  head.i32(stored.length);
  await sink.write(head.toBytes());
  for (const [name, entry] of stored) {
    const calls =
      imatrix.form === "dat" ? (entry.counts[0] ?? 0) : Math.ceil((largest(entry.counts) ?? 0) / chunkSize);
    const writer = new ByteWriter({ capacity: 64 + entry.sums.byteLength });
    text(writer, name);
    writer.i32(calls);
    writer.i32(entry.sums.length);
    writer.bytes(floatBytes(imatrix.form === "dat" ? entry.sums : scaledMeans(entry, calls)));
    await sink.write(writer.toBytes());
  }
  const tail = new ByteWriter({ capacity: 64 });
  tail.i32(imatrix.chunkCount);
  text(tail, imatrix.datasets.at(-1) ?? "");
  await sink.write(tail.toBytes());
}

function scaledMeans(entry: ImatrixEntry, calls: number): Float32Array {
  const means = meanSquares(entry, "gguf");
  return means.map((mean) => mean * calls);
}

function text(writer: ByteWriter, value: string): void {
  const bytes = new TextEncoder().encode(value);
  writer.i32(bytes.length);
  writer.bytes(bytes);
}

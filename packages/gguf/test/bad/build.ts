import { isCodecError, type Limits } from "@requant/core";
import { parseGguf } from "../../src/index.ts";

/** Bytes written by hand, apart from the package's own writer. */
export class Bytes {
  readonly littleEndian: boolean;
  readonly #bytes: number[] = [];

  constructor(littleEndian = true) {
    this.littleEndian = littleEndian;
  }

  raw(...values: readonly number[]): this {
    this.#bytes.push(...values);
    return this;
  }

  int(value: number | bigint, width: number): this {
    const bytes = Array.from({ length: width }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 255n));
    return this.raw(...(this.littleEndian ? bytes : bytes.reverse()));
  }

  u32(value: number): this {
    return this.int(value, 4);
  }

  u64(value: number | bigint): this {
    return this.int(value, 8);
  }

  text(value: string): this {
    const bytes = new TextEncoder().encode(value);
    return this.u64(bytes.byteLength).raw(...bytes);
  }

  magic(version = 3): this {
    return this.raw(...new TextEncoder().encode("GGUF")).u32(version);
  }

  counts(tensors: number | bigint, pairs: number | bigint): this {
    return this.u64(tensors).u64(pairs);
  }

  /** A table entry of one F32 tensor; dimensions innermost first. */
  tensor(name: string, sizes: readonly (number | bigint)[], offset: number | bigint, type = 0): this {
    this.text(name).u32(sizes.length);
    for (const size of sizes) this.u64(size);
    return this.u32(type).u64(offset);
  }

  align(alignment = 32): this {
    while (this.#bytes.length % alignment !== 0) this.#bytes.push(0);
    return this;
  }

  zeros(count: number): this {
    return this.raw(...new Uint8Array(count));
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

export const types = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
};

/** A file of these key-value pairs, each appended by a function, and no tensors. */
export function pairs(...appends: readonly ((bytes: Bytes) => void)[]): Uint8Array {
  const bytes = new Bytes().magic().counts(0, appends.length);
  for (const append of appends) append(bytes);
  return bytes.done();
}

/** A small valid file: keys of several types, two tensors. */
export function small(): Uint8Array {
  const bytes = new Bytes().magic().counts(2, 4);
  bytes.text("general.architecture").u32(types.string).text("llama");
  bytes.text("general.alignment").u32(types.u32).u32(32);
  bytes.text("tokens").u32(types.array).u32(types.string).u64(3).text("a").text("").text("é");
  bytes.text("flags").u32(types.array).u32(types.bool).u64(2).raw(0, 1);
  bytes.tensor("a", [4, 2], 0).tensor("b", [32], 32, 8);
  return bytes.align().zeros(32).zeros(34).align().done();
}

/** The code and message of the refusal; fails where there is none, or where the error is not a CodecError. */
export function refusal(
  bytes: Uint8Array,
  options: { fileByteLength?: number; limits?: Partial<Limits> } = {},
): string {
  try {
    const gguf = parseGguf(bytes, { path: "bad.gguf", ...options });
    for (const value of gguf.metadata.values()) void value.value;
    return `accepted ${gguf.findings.map(({ code }) => code).join(" ")}`.trim();
  } catch (error) {
    if (isCodecError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
}

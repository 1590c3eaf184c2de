/** Stored tensors read and decoded by hand: the oracle of what the page shows. */
import { readFileSync, writeFileSync } from "node:fs";
import { halfToFloat } from "@requant/core";

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** A file of safetensors: u64 length, JSON header, data. */
export class SafetensorsBytes {
  readonly #path: string;
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #header: Readonly<Record<string, Entry>>;

  constructor(path: string) {
    this.#path = path;
    this.#bytes = readFileSync(path);
    this.#start = 8 + Number(this.#bytes.readBigUInt64LE(0));
    this.#header = JSON.parse(this.#bytes.subarray(8, this.#start).toString("utf8"));
  }

  /** Its shape, and a copy of its bytes. */
  tensor(name: string): { readonly shape: readonly number[]; readonly bytes: ArrayBuffer } {
    const entry = this.#entry(name);
    const [from, to] = entry.data_offsets;
    const bytes = new Uint8Array(this.#bytes.subarray(this.#start + from, this.#start + to));
    return { shape: entry.shape, bytes: bytes.buffer };
  }

  /** Writes other bytes over those of a tensor. */
  replace(name: string, bytes: ArrayBuffer): void {
    this.#bytes.set(new Uint8Array(bytes), this.#start + this.#entry(name).data_offsets[0]);
    writeFileSync(this.#path, this.#bytes);
  }

  #entry(name: string): Entry {
    const entry = this.#header[name];
    if (entry === undefined) throw new Error(`There is no ${name} in ${this.#path}.`);
    return entry;
  }
}

/** bf16 numbers are the upper halves of f32 numbers. */
export function bfloats(bytes: ArrayBuffer): Float32Array {
  const bits = Uint32Array.from(new Uint16Array(bytes), (half) => half << 16);
  return new Float32Array(bits.buffer);
}

export interface DecodedQ4_0 {
  readonly values: Float32Array;
  readonly codes: Uint8Array;
  readonly scales: readonly number[];
}

/** Blocks of 18 bytes: an f16 scale, then 32 nibbles, the low ones first; value = (code − 8) × scale. */
export function decodedQ4_0(bytes: Uint8Array): DecodedQ4_0 {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blocks = bytes.byteLength / 18;
  const codes = new Uint8Array(blocks * 32);
  const values = new Float32Array(blocks * 32);
  const scales: number[] = [];
  for (let block = 0; block < blocks; block++) {
    const scale = halfToFloat(view.getUint16(block * 18, true));
    scales.push(scale);
    for (let i = 0; i < 32; i++) {
      const byte = view.getUint8(block * 18 + 2 + (i % 16));
      const code = i < 16 ? byte & 15 : byte >> 4;
      codes[block * 32 + i] = code;
      values[block * 32 + i] = (code - 8) * scale;
    }
  }
  return { values, codes, scales };
}

/** How often each nibble occurs in words or bytes. */
export function nibbleCounts(bytes: ArrayBuffer): number[] {
  const counts = new Array<number>(16).fill(0);
  for (const byte of new Uint8Array(bytes)) {
    counts[byte & 15] = (counts[byte & 15] ?? 0) + 1;
    counts[byte >> 4] = (counts[byte >> 4] ?? 0) + 1;
  }
  return counts;
}

export function countsOf(codes: Uint8Array, all: number): number[] {
  const counts = new Array<number>(all).fill(0);
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

/** Figures of finite values, as a textbook has them. */
export function figuresOf(values: Float32Array): Readonly<Record<string, number>> {
  const list = [...values];
  const mean = list.reduce((sum, value) => sum + value, 0) / list.length;
  const squares = list.reduce((sum, value) => sum + value * value, 0);
  const spread = list.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    weights: list.length,
    smallest: list.reduce((least, value) => Math.min(least, value)),
    largest: list.reduce((most, value) => Math.max(most, value)),
    mean,
    "standard deviation": Math.sqrt(spread / list.length),
    "root mean square": Math.sqrt(squares / list.length),
    zeros: list.filter((value) => value === 0).length,
    NaN: 0,
    infinite: 0,
  };
}

/** Root of the mean square, and largest magnitude, of one column. */
export function columnFigures(values: Float32Array, columns: number, column: number): [number, number] {
  const list = [...values].filter((_, index) => index % columns === column);
  const squares = list.reduce((sum, value) => sum + value * value, 0);
  return [Math.sqrt(squares / list.length), list.reduce((most, value) => Math.max(most, Math.abs(value)), 0)];
}

/** Texts of a vocabulary as a GGUF stores them, compared by their bytes: making strings of them all takes far longer. */
import { decodeText, type StoredElements } from "@requant/gguf";

const SPACE = 0x20;

/** FNV-1a, 32 bits. */
const HASH_START = 0x811c9dc5 | 0;
const HASH_FACTOR = 0x01000193;

/** Texts that were made to have the same hashes need more steps for each search, and are to be compared otherwise. */
const MOST_STEPS = 32;

/** Many texts, each behind its length of eight bytes. The reader of the file has checked the lengths. */
export class StoredTexts {
  readonly count: number;
  readonly bytes: Uint8Array;
  /** Where each text begins, and where one more text would begin. */
  readonly starts: Uint32Array;

  constructor({ bytes, littleEndian }: StoredElements, count: number) {
    this.count = count;
    this.bytes = bytes;
    const starts = new Uint32Array(count + 1);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // the other four bytes are zeros: no header is that long
    const lengthAt = littleEndian ? -8 : -4;
    let at = 8;
    for (let i = 0; i < count; i++) {
      starts[i] = at;
      at += 8 + view.getUint32(at + lengthAt, littleEndian);
    }
    starts[count] = at;
    this.starts = starts;
  }

  /** Where text `index` ends. */
  end(index: number): number {
    return (this.starts[index + 1] ?? 0) - 8;
  }

  text(index: number): string {
    return decodeText(this.bytes.subarray(this.starts[index], this.end(index)));
  }
}

/** Finds bytes among distinct texts. */
export class TextTable {
  readonly #texts: StoredTexts;
  /** The number of a text, plus one, at the place that its hash says or at the next free one. */
  readonly #slots: Int32Array;
  /** Steps that searches may still take. */
  #steps: number;

  private constructor(texts: StoredTexts, size: number) {
    this.#texts = texts;
    this.#slots = new Int32Array(size);
    this.#steps = MOST_STEPS * texts.count;
  }

  /** Undefined where a text occurs twice, or where the texts were made to have the same hashes. */
  static of(texts: StoredTexts): TextTable | undefined {
    let size = 16;
    while (size < 2 * texts.count) size *= 2;
    const table = new TextTable(texts, size);
    return table.#fill() ? table : undefined;
  }

  #fill(): boolean {
    const { bytes, starts, count } = this.#texts;
    for (let i = 0; i < count; i++) {
      const start = starts[i] ?? 0;
      const end = (starts[i + 1] ?? 0) - 8;
      const slot = this.#slotOf(bytes, start, end, hashOf(bytes, start, end));
      if (slot < 0 || this.#slots[slot] !== 0) return false;
      this.#slots[slot] = i + 1;
    }
    return true;
  }

  /**
   * The numbers of merges ("left right") of which a part, or both parts together, are no text of the table. Undefined where
   * only strings can tell: the second part begins inside a character, or a search takes too long.
   */
  unknownMerges(merges: StoredTexts): number[] | undefined {
    const { bytes, starts, count } = merges;
    const unknown: number[] = [];
    let joined = new Uint8Array(256);
    this.#steps = MOST_STEPS * 3 * count;
    for (let i = 0; i < count; i++) {
      const start = starts[i] ?? 0;
      const end = (starts[i + 1] ?? 0) - 8;
      // a part may begin with a space of its own
      let cut = start + 1;
      while (cut < end && bytes[cut] !== SPACE) cut++;
      if (cut >= end) {
        unknown.push(i);
        continue;
      }
      if (((bytes[cut + 1] ?? 0) & 0xc0) === 0x80 && cut + 1 < end) return undefined;
      if (joined.byteLength < end - start) joined = new Uint8Array(2 * (end - start));
      for (let k = start; k < cut; k++) joined[k - start] = bytes[k] ?? 0;
      for (let k = cut + 1; k < end; k++) joined[k - start - 1] = bytes[k] ?? 0;
      const isKnown =
        this.#has(bytes, start, cut) &&
        this.#has(bytes, cut + 1, end) &&
        this.#has(joined, 0, end - start - 1);
      if (this.#steps < 0) return undefined;
      if (!isKnown) unknown.push(i);
    }
    return unknown;
  }

  #has(bytes: Uint8Array, start: number, end: number): boolean {
    const slot = this.#slotOf(bytes, start, end, hashOf(bytes, start, end));
    return slot >= 0 && this.#slots[slot] !== 0;
  }

  /** The slot of these bytes, or the free slot that they would get; −1 where the search takes too long. */
  #slotOf(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const slots = this.#slots;
    const { bytes: known, starts } = this.#texts;
    const mask = slots.length - 1;
    let slot = (hash ^ (hash >>> 15)) & mask;
    for (;;) {
      const number = slots[slot] ?? 0;
      if (number === 0) return slot;
      const knownStart = starts[number - 1] ?? 0;
      if ((starts[number] ?? 0) - 8 - knownStart === end - start) {
        let i = start;
        const difference = knownStart - start;
        while (i < end && known[i + difference] === bytes[i]) i++;
        if (i === end) return slot;
      }
      slot = (slot + 1) & mask;
      this.#steps -= 1;
      if (this.#steps < 0) return -1;
    }
  }
}

function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = HASH_START;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), HASH_FACTOR);
  return hash;
}

/** Mutates inputs: any bytes blindly, and JSON as a tree, so that it stays well-formed and passes the parser. */
import type { Random } from "./random.ts";
import type { FuzzTarget } from "./target.ts";

/** Numbers around which lengths, counts and products overflow. */
const interesting: readonly bigint[] = [
  0n,
  1n,
  2n,
  7n,
  8n,
  31n,
  32n,
  64n,
  127n,
  128n,
  255n,
  256n,
  1023n,
  4096n,
  32_767n,
  32_768n,
  65_535n,
  65_536n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 60n,
  2n ** 61n,
  2n ** 62n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 32n,
  2n ** 64n - 1n,
];

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export class Mutator {
  readonly #random: Random;
  readonly #maxByteLength: number;
  readonly #dictionary: readonly Uint8Array[];
  readonly #words: readonly string[];
  readonly #shape: FuzzTarget["shape"];

  constructor(target: FuzzTarget, random: Random) {
    this.#random = random;
    this.#maxByteLength = target.maxByteLength ?? 4096;
    this.#words = target.dictionary ?? [];
    this.#dictionary = this.#words.map((word) => encoder.encode(word));
    this.#shape = target.shape ?? "bytes";
  }

  /** A changed copy of `input`; `other` is another member of the corpus, to take pieces from. */
  mutate(input: Uint8Array, other: Uint8Array): Uint8Array {
    const structured = this.#shape !== "bytes" && this.#random.chance(0.6);
    const changed = structured ? this.#mutateStructure(input) : undefined;
    if (changed !== undefined) return changed.subarray(0, this.#maxByteLength);
    let bytes: Uint8Array = input.slice();
    // mostly one change, sometimes many
    const count = 1 << this.#random.below(this.#random.chance(0.2) ? 6 : 2);
    for (let i = 0; i < count; i++) bytes = this.#once(bytes, other);
    return bytes.subarray(0, this.#maxByteLength);
  }

  #once(bytes: Uint8Array, other: Uint8Array): Uint8Array {
    const random = this.#random;
    const at = random.below(bytes.length);
    switch (random.below(12)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
        return bytes;
      case 1:
        bytes[at] = random.below(256);
        return bytes;
      case 2:
        bytes[at] = (bytes[at] ?? 0) + random.below(33) - 16;
        return bytes;
      case 3:
        return replaced(bytes, at, at + random.below(Math.min(64, bytes.length)), new Uint8Array(0));
      case 4:
        return replaced(bytes, at, at, this.#randomBytes(random.below(16) + 1));
      case 5: {
        // a piece again, somewhere else
        const end = at + random.below(Math.min(128, bytes.length - at) + 1);
        return replaced(bytes, random.below(bytes.length + 1), undefined, bytes.slice(at, end));
      }
      case 6: {
        const from = random.below(other.length);
        const piece = other.slice(from, from + random.below(Math.min(256, other.length - from) + 1));
        return replaced(bytes, at, random.chance(0.5) ? at : at + piece.length, piece);
      }
      case 7:
        return bytes.subarray(0, random.below(bytes.length + 1));
      case 8:
      case 9:
      case 10: {
        const width = random.pick([2, 4, 8, 8]);
        const value = random.pick(interesting) + BigInt(random.below(5) - 2);
        // lengths are often aligned
        writeInteger(bytes, random.chance(0.5) ? at - (at % width) : at, width, value, random.chance(0.9));
        return bytes;
      }
      default: {
        if (this.#dictionary.length === 0) return bytes;
        const word = random.pick(this.#dictionary);
        return replaced(bytes, at, random.chance(0.5) ? at : at + word.length, word);
      }
    }
  }

  #randomBytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#random.below(256));
  }

  /** A change of the JSON tree; undefined where the input is no JSON. */
  #mutateStructure(input: Uint8Array): Uint8Array | undefined {
    const start = this.#shape === "safetensors" ? 8 : 0;
    let end = input.length;
    if (start === 8) {
      if (input.length < 8) return undefined;
      const length = new DataView(input.buffer, input.byteOffset, 8).getBigUint64(0, true);
      if (length > BigInt(input.length - 8)) return undefined;
      end = 8 + Number(length);
    }
    let value: unknown;
    try {
      value = JSON.parse(decoder.decode(input.subarray(start, end)));
    } catch {
      return undefined;
    }
    for (let i = this.#random.below(3); i >= 0; i--) value = this.#changeTree(value, 0);
    const text = encoder.encode(JSON.stringify(value) ?? "null");
    if (start === 0) return text;
    const bytes = new Uint8Array(8 + text.length + input.length - end);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
    bytes.set(text, 8);
    bytes.set(input.subarray(end), 8 + text.length);
    return bytes;
  }

  #changeTree(value: unknown, depth: number): unknown {
    const random = this.#random;
    const isBranch = typeof value === "object" && value !== null;
    if (!isBranch || random.chance(0.15)) return this.#leaf(value, depth);
    if (Array.isArray(value)) {
      const list: unknown[] = [...value];
      const at = random.below(list.length);
      const choice = random.below(5);
      if (choice === 0) list.splice(at, 1);
      else if (choice === 1) list.splice(at, 0, this.#leaf(list[at], depth));
      else if (choice === 2 && list.length > 0) list.push(list[at]);
      else if (list.length > 0) list[at] = this.#changeTree(list[at], depth + 1);
      return list;
    }
    const entries: [string, unknown][] = Object.entries(value);
    const at = random.below(entries.length);
    const entry = entries[at];
    const choice = random.below(6);
    if (entry === undefined || choice === 0) entries.push([this.#word(), this.#leaf(undefined, depth)]);
    else if (choice === 1) entries.splice(at, 1);
    else if (choice === 2) entry[0] = this.#word();
    else entry[1] = this.#changeTree(entry[1], depth + 1);
    return Object.fromEntries(entries);
  }

  #word(): string {
    const random = this.#random;
    return random.chance(0.7) && this.#words.length > 0
      ? random.pick(this.#words)
      : random.pick([
          "__proto__",
          "constructor",
          "",
          "\u0000",
          "../x",
          "length",
          "a".repeat(random.below(100)),
        ]);
  }

  #leaf(old: unknown, depth: number): unknown {
    const random = this.#random;
    if (typeof old === "number" && random.chance(0.5)) return old + random.below(5) - 2;
    switch (random.below(9)) {
      case 0:
        return null;
      case 1:
        return random.chance(0.5);
      case 2:
        return Number(random.pick(interesting));
      case 3:
        return random.pick([-1, -0.5, 0.5, 1e308, -1e-308, 2 ** -1074, -(2 ** 63)]);
      case 4:
        return this.#word();
      case 5:
        return [];
      case 6:
        return {};
      case 7: {
        // nested, but not deep enough to exhaust the stack, which is not the purpose here
        let nested: unknown = old ?? 1;
        for (let i = random.below(depth > 4 ? 2 : 80); i >= 0; i--)
          nested = random.chance(0.5) ? [nested] : { a: nested };
        return nested;
      }
      default:
        return Array.from({ length: random.below(20) }, () => random.below(300) - 20);
    }
  }
}

/** `bytes` with `[start, end)` replaced. */
function replaced(bytes: Uint8Array, start: number, end: number | undefined, piece: Uint8Array): Uint8Array {
  const stop = Math.min(Math.max(end ?? start, start), bytes.length);
  const result = new Uint8Array(start + piece.length + bytes.length - stop);
  result.set(bytes.subarray(0, start));
  result.set(piece, start);
  result.set(bytes.subarray(stop), start + piece.length);
  return result;
}

function writeInteger(
  bytes: Uint8Array,
  at: number,
  width: number,
  value: bigint,
  littleEndian: boolean,
): void {
  for (let i = 0; i < width && at + i < bytes.length; i++) {
    const shift = BigInt(8 * (littleEndian ? i : width - 1 - i));
    bytes[at + i] = Number((value >> shift) & 0xffn);
  }
}

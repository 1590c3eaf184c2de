/**
 * XXH64 with seed 0. Compares the bytes that were read back with those that were written. It detects faulty disks and
 * bugs, not attacks; `hash.ts` has sha256 for those, at a fraction of the speed.
 * Layout and constants: xxHash specification, "XXH64 algorithm description".
 */

/** A 64-bit number in two halves, because BigInt is slow. */
class Word {
  high: number;
  low: number;

  constructor(high: number, low: number) {
    this.high = high;
    this.low = low;
  }

  set({ high, low }: Word): this {
    this.high = high;
    this.low = low;
    return this;
  }

  add(high: number, low: number): this {
    const sum = (this.low >>> 0) + (low >>> 0);
    this.high = (this.high + high + (sum > 0xffffffff ? 1 : 0)) | 0;
    this.low = sum | 0;
    return this;
  }

  xor(high: number, low: number): this {
    this.high ^= high;
    this.low ^= low;
    return this;
  }

  /** By one bit at least, by 31 at most. */
  rotate(bits: number): this {
    const { high, low } = this;
    this.high = (high << bits) | (low >>> (32 - bits));
    this.low = (low << bits) | (high >>> (32 - bits));
    return this;
  }

  /** `this ^ (this >>> bits)`. */
  xorShifted(bits: number): this {
    const { high, low } = this;
    return bits >= 32
      ? this.xor(0, high >>> (bits - 32))
      : this.xor(high >>> bits, (low >>> bits) | (high << (32 - bits)));
  }

  multiply({ high, low }: Word): this {
    const a = this.low;
    const [a0, a1, b0, b1] = [a & 0xffff, a >>> 16, low & 0xffff, low >>> 16];
    const middle = a1 * b0 + ((a0 * b0) >>> 16);
    const carry = a0 * b1 + (middle & 0xffff);
    const top = a1 * b1 + (middle >>> 16) + (carry >>> 16);
    this.high = (top + Math.imul(this.high, low) + Math.imul(a, high)) | 0;
    this.low = Math.imul(a, low);
    return this;
  }
}

const PRIME1 = /* @__PURE__ */ new Word(0x9e3779b1, 0x85ebca87);
const PRIME2 = /* @__PURE__ */ new Word(0xc2b2ae3d, 0x27d4eb4f);
const PRIME3 = /* @__PURE__ */ new Word(0x165667b1, 0x9e3779f9);
const PRIME4 = /* @__PURE__ */ new Word(0x85ebca77, 0xc2b2ae63);
const PRIME5 = /* @__PURE__ */ new Word(0x27d4eb2f, 0x165667c5);

const STRIPE = 32;

/** 16 hex digits. */
export function checksum(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const input = new Word(0, 0);
  const round = (lane: Word, at: number): void => {
    input.high = view.getInt32(at + 4, true);
    input.low = view.getInt32(at, true);
    const { high, low } = input.multiply(PRIME2);
    lane.add(high, low).rotate(31).multiply(PRIME1);
  };
  const hash = new Word(PRIME5.high, PRIME5.low);
  let at = 0;
  if (bytes.byteLength >= STRIPE) {
    const lanes = [
      new Word(0, 0).set(PRIME1).add(PRIME2.high, PRIME2.low),
      new Word(0, 0).set(PRIME2),
      new Word(0, 0),
      new Word(~PRIME1.high, ~PRIME1.low).add(0, 1),
    ] as const;
    for (; at + STRIPE <= bytes.byteLength; at += STRIPE) {
      round(lanes[0], at);
      round(lanes[1], at + 8);
      round(lanes[2], at + 16);
      round(lanes[3], at + 24);
    }
    hash.high = 0;
    hash.low = 0;
    for (const [index, bits] of [1, 7, 12, 18].entries()) {
      const lane = new Word(0, 0).set(lanes[index] ?? hash).rotate(bits);
      hash.add(lane.high, lane.low);
    }
    for (const lane of lanes) {
      lane.multiply(PRIME2).rotate(31).multiply(PRIME1);
      hash.xor(lane.high, lane.low).multiply(PRIME1).add(PRIME4.high, PRIME4.low);
    }
  }
  hash.add(0, bytes.byteLength);
  for (; at + 8 <= bytes.byteLength; at += 8) {
    const lane = new Word(0, 0);
    round(lane, at);
    hash.xor(lane.high, lane.low).rotate(27).multiply(PRIME1).add(PRIME4.high, PRIME4.low);
  }
  if (at + 4 <= bytes.byteLength) {
    const { high, low } = new Word(0, view.getInt32(at, true)).multiply(PRIME1);
    hash.xor(high, low).rotate(23).multiply(PRIME2).add(PRIME3.high, PRIME3.low);
    at += 4;
  }
  for (; at < bytes.byteLength; at++) {
    const { high, low } = new Word(0, view.getUint8(at)).multiply(PRIME5);
    hash.xor(high, low).rotate(11).multiply(PRIME1);
  }
  hash.xorShifted(33).multiply(PRIME2).xorShifted(29).multiply(PRIME3).xorShifted(32);
  return hexOf(hash.high, hash.low);
}

/** 16 digits from two halves. */
export function hexOf(high: number, low: number): string {
  return (high >>> 0).toString(16).padStart(8, "0") + (low >>> 0).toString(16).padStart(8, "0");
}

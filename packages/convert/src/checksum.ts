/**
 * XXH32 with seed 0 over a stream: the check that what was read back is what was written. It guards against disks and
 * bugs, not against attackers; `hash.ts` has sha256 for those, at a fifth of the speed.
 * Layout and constants: xxHash specification, "XXH32 algorithm description".
 */
const PRIME1 = 0x9e3779b1;
const PRIME2 = 0x85ebca77;
const PRIME3 = 0xc2b2ae3d;
const PRIME4 = 0x27d4eb2f;
const PRIME5 = 0x165667b1;
const STRIPE = 16;

export interface Checksum {
  update(bytes: Uint8Array): void;
  digest(): number;
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function round(accumulator: number, lane: number): number {
  return Math.imul(rotate((accumulator + Math.imul(lane, PRIME2)) | 0, 13), PRIME1);
}

export function checksum(): Checksum {
  let lane1 = (PRIME1 + PRIME2) | 0;
  let lane2 = PRIME2 | 0;
  let lane3 = 0;
  let lane4 = -PRIME1 | 0;
  let total = 0;
  const rest = new Uint8Array(STRIPE);
  let restLength = 0;

  /** Whole stripes from `start` on; returns where they end. */
  function stripes(bytes: Uint8Array, start: number): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let offset = start;
    for (; offset + STRIPE <= bytes.byteLength; offset += STRIPE) {
      lane1 = round(lane1, view.getInt32(offset, true));
      lane2 = round(lane2, view.getInt32(offset + 4, true));
      lane3 = round(lane3, view.getInt32(offset + 8, true));
      lane4 = round(lane4, view.getInt32(offset + 12, true));
    }
    return offset;
  }

  return {
    update(bytes) {
      total += bytes.byteLength;
      let start = 0;
      if (restLength > 0) {
        start = Math.min(STRIPE - restLength, bytes.byteLength);
        rest.set(bytes.subarray(0, start), restLength);
        restLength += start;
        if (restLength < STRIPE) return;
        stripes(rest, 0);
        restLength = 0;
      }
      const tail = bytes.subarray(stripes(bytes, start));
      rest.set(tail);
      restLength = tail.byteLength;
    },
    digest() {
      let hash =
        total >= STRIPE
          ? (rotate(lane1, 1) + rotate(lane2, 7) + rotate(lane3, 12) + rotate(lane4, 18)) | 0
          : PRIME5;
      hash = (hash + total) | 0;
      const view = new DataView(rest.buffer);
      let offset = 0;
      for (; offset + 4 <= restLength; offset += 4) {
        hash = Math.imul(rotate((hash + Math.imul(view.getInt32(offset, true), PRIME3)) | 0, 17), PRIME4);
      }
      for (; offset < restLength; offset++) {
        hash = Math.imul(rotate((hash + Math.imul(rest[offset]!, PRIME5)) | 0, 11), PRIME1);
      }
      hash = Math.imul(hash ^ (hash >>> 15), PRIME2);
      hash = Math.imul(hash ^ (hash >>> 13), PRIME3);
      return (hash ^ (hash >>> 16)) >>> 0;
    },
  };
}

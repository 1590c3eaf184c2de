const PRIME1: u64 = 0x9e3779b185ebca87;
const PRIME2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME3: u64 = 0x165667b19e3779f9;
const PRIME4: u64 = 0x85ebca77c2b2ae63;
const PRIME5: u64 = 0x27d4eb2f165667c5;

let high: u32 = 0;

@inline
function round(accumulator: u64, lane: u64): u64 {
  return rotl<u64>(accumulator + lane * PRIME2, 31) * PRIME1;
}

@inline
function merge(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * PRIME1 + PRIME4;
}

/** Twin of src/run/checksum.ts. Returns the low half; `checksumHigh` has the other. */
export function checksum(bytes: usize, byteLength: i32): u32 {
  let at = bytes;
  const end = bytes + <usize>byteLength;
  let hash: u64;
  if (byteLength >= 32) {
    let lane1: u64 = PRIME1 + PRIME2;
    let lane2: u64 = PRIME2;
    let lane3: u64 = 0;
    let lane4: u64 = 0 - PRIME1;
    for (const last = end - 32; at <= last; at += 32) {
      lane1 = round(lane1, load<u64>(at));
      lane2 = round(lane2, load<u64>(at, 8));
      lane3 = round(lane3, load<u64>(at, 16));
      lane4 = round(lane4, load<u64>(at, 24));
    }
    hash = rotl<u64>(lane1, 1) + rotl<u64>(lane2, 7) + rotl<u64>(lane3, 12) + rotl<u64>(lane4, 18);
    hash = merge(merge(merge(merge(hash, lane1), lane2), lane3), lane4);
  } else hash = PRIME5;
  hash += <u64>byteLength;
  for (; at + 8 <= end; at += 8) hash = rotl<u64>(hash ^ round(0, load<u64>(at)), 27) * PRIME1 + PRIME4;
  if (at + 4 <= end) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(at) * PRIME1), 23) * PRIME2 + PRIME3;
    at += 4;
  }
  for (; at < end; at++) hash = rotl<u64>(hash ^ (<u64>load<u8>(at) * PRIME5), 11) * PRIME1;
  hash = (hash ^ (hash >> 33)) * PRIME2;
  hash = (hash ^ (hash >> 29)) * PRIME3;
  hash ^= hash >> 32;
  high = <u32>(hash >> 32);
  return <u32>hash;
}

export function checksumHigh(): u32 {
  return high;
}

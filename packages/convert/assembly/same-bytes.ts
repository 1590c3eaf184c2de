/** Twin of src/model/same-bytes.ts: 1 where `count` bytes are the same at both places. */
export function sameBytes(one: usize, other: usize, count: i32): i32 {
  const end = one + <usize>count;
  for (; one + 64 <= end; one += 64, other += 64) {
    const low = v128.or(
      v128.xor(v128.load(one), v128.load(other)),
      v128.xor(v128.load(one, 16), v128.load(other, 16)),
    );
    const high = v128.or(
      v128.xor(v128.load(one, 32), v128.load(other, 32)),
      v128.xor(v128.load(one, 48), v128.load(other, 48)),
    );
    if (v128.any_true(v128.or(low, high))) return 0;
  }
  for (; one < end; one++, other++) if (load<u8>(one) !== load<u8>(other)) return 0;
  return 1;
}

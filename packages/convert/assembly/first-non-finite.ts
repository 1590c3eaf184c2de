/** Bytes that are looked at before the answer is asked for: 64 values. */
const RUN: usize = 256;

/** NaN in each lane that had a value which is not finite, else 0: a finite number minus itself is 0. */
@inline
function difference(at: usize): v128 {
  const value = v128.load(at);
  return f32x4.sub(value, value);
}

@inline
function differences(at: usize): v128 {
  return v128.or(
    v128.or(difference(at), difference(at + 16)),
    v128.or(difference(at + 32), difference(at + 48)),
  );
}

/** Twin of src/first-non-finite.ts: index of the first of `count` values that is NaN or infinite; `count` without one. */
export function firstNonFinite(values: usize, count: i32): i32 {
  let at = values;
  const end = values + ((<usize>count) << 2);
  for (; at + RUN <= end; at += RUN) {
    const found = v128.or(
      v128.or(differences(at), differences(at + 64)),
      v128.or(differences(at + 128), differences(at + 192)),
    );
    if (v128.any_true(found)) break;
  }
  for (; at < end; at += 4) {
    const value = load<f32>(at);
    if (value - value != 0) break;
  }
  return <i32>((at - values) >> 2);
}

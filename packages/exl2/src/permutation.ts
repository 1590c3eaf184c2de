import { type ErrorPlace, FormatError } from "@requant/core";

/**
 * q_invperm: column k of W is stored as row `q_invperm[k]`. @throws FormatError unless it is a permutation
 */
export function readPermutation(words: Uint32Array, place: ErrorPlace = {}): Int32Array {
  const permutation = Int32Array.from(words, (word) => word | 0);
  const seen = new Uint8Array(permutation.length);
  for (let column = 0; column < permutation.length; column++) {
    const row = permutation[column]!;
    if (row < 0 || row >= permutation.length || seen[row] === 1) {
      throw new FormatError(
        `The part q_invperm is not a permutation of ${permutation.length} columns: entry ${column} is ${row}${seen[row] === 1 ? ", for the second time" : ""}.`,
        place,
      );
    }
    seen[row] = 1;
  }
  return permutation;
}

/** q_invperm from the q_perm of old files, which is the inverse: stored row j is column `q_perm[j]`. */
export function invertPermutation(permutation: Int32Array): Int32Array {
  const inverse = new Int32Array(permutation.length);
  permutation.forEach((value, index) => {
    inverse[value] = index;
  });
  return inverse;
}

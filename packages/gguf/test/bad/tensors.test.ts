/**
 * Impossible tensors, and tensors in wrong places. Shapes of CVE-2024-21802, CVE-2025-53630, CVE-2026-27940,
 * CVE-2026-33298 and CVE-2026-7482 among them.
 */
import { describe, expect, it } from "vitest";
import { Bytes, refusal, types } from "./build.ts";

type Entry = readonly [
  name: string,
  sizes: readonly (number | bigint)[],
  offset: number | bigint,
  type?: number,
];

/** A file of these tensors with so many bytes of data. */
function file(dataByteLength: number, ...entries: readonly Entry[]): Uint8Array {
  const bytes = new Bytes().magic().counts(entries.length, 0);
  for (const [name, sizes, offset, type] of entries) bytes.tensor(name, sizes, offset, type);
  return bytes.align().zeros(dataByteLength).done();
}

describe("a tensor", () => {
  it.each<[string, Uint8Array, string]>([
    [
      "with 5 dimensions",
      file(4, ["a", [1, 1, 1, 1, 1], 0]),
      "FORMAT: A tensor has 5 dimensions; at most 4 are allowed.",
    ],
    [
      "with 2^32 - 1 dimensions",
      new Bytes().magic().counts(1, 0).text("a").u32(0xffffffff).zeros(64).done(),
      "FORMAT: A tensor has 4294967295 dimensions",
    ],
    ["with a negative dimension", file(128, ["a", [-32n], 0]), "FORMAT: A dimension is -32."],
    [
      "whose size wraps to 0",
      file(32, ["a", [2n ** 32n, 2n ** 32n], 0]),
      "FORMAT: A tensor of 4294967296 × 4294967296 weights is larger than any file.",
    ],
    [
      "whose size wraps to a small one",
      file(4096, ["a", [1024, 2n ** 52n + 1n], 0]),
      "FORMAT: A tensor of 4503599627370497 × 1024 weights is larger than any file.",
    ],
    ["whose size hides behind a 0", file(0, ["a", [0, 2n ** 50n, 2n ** 50n], 0]), "FORMAT: A tensor of "],
    [
      "whose dimension is above 2^53",
      file(0, ["a", [2n ** 62n], 0]),
      "FORMAT: The value of a dimension is 4611686018427387904, more than any file can hold.",
    ],
    [
      "with rows of part of a block",
      file(64, ["a", [40, 2], 0, 2]),
      "FORMAT: A row has 40 weights, which is not a multiple of the 32 of a Q4_0 block.",
    ],
    ["without dimensions, of a block type", file(64, ["a", [], 0, 2]), "FORMAT: A row has 1 weights"],
    [
      "of a removed type",
      file(64, ["a", [32], 0, 4]),
      "UNSUPPORTED: Tensor type 4 (Q4_2) was removed from ggml",
    ],
    [
      "of another removed type",
      file(64, ["a", [32], 0, 31]),
      "UNSUPPORTED: Tensor type 31 (Q4_0_4_4) was removed from ggml",
    ],
    [
      "of a fork's type",
      file(64, ["a", [256], 0, 139]),
      "UNSUPPORTED: Tensor type 139 (IQ4_K) belongs to ik_llama.cpp",
    ],
    [
      "of a fork's interleaved type",
      file(64, ["a", [256], 0, 339]),
      "UNSUPPORTED: Tensor type 339 (IQ4_K_R4) belongs to ik_llama.cpp",
    ],
    ["of an unknown type", file(64, ["a", [32], 0, 1000]), "UNSUPPORTED: Tensor type 1000 is unknown"],
    ["with an empty name", file(4, ["", [1], 0]), "FORMAT: A tensor name is empty."],
    [
      "with a NUL in its name",
      file(4, ["a\0", [1], 0]),
      'FORMAT: A tensor name holds a NUL character: "a\\u0000".',
    ],
    [
      "with a name of 65 bytes",
      file(4, ["n".repeat(65), [1], 0]),
      "FORMAT: A tensor name has 65 bytes; at most 64 are allowed.",
    ],
    [
      "named like another",
      file(64, ["a", [1], 0], ["a", [1], 32]),
      'FORMAT: The tensor name "a" occurs twice.',
    ],
    [
      "between alignments",
      file(64, ["a", [1], 4]),
      "FORMAT: The tensor's offset 4 is not a multiple of the alignment 32.",
    ],
    [
      "past the end",
      file(64, ["a", [1], 1024]),
      "FORMAT: The tensor's 4 bytes from 1024 on end outside the data, which has 64 bytes.",
    ],
    [
      "one byte past the end",
      file(7, ["a", [2], 0]),
      "FORMAT: The tensor's 8 bytes from 0 on end outside the data, which has 7 bytes.",
    ],
    [
      "at an offset that wraps",
      file(64, ["a", [1], 2n ** 64n - 32n]),
      "FORMAT: The value of a tensor offset is 18446744073709551584, more than any file can hold.",
    ],
    [
      "on top of another",
      file(64, ["a", [8], 0], ["b", [8], 0]),
      'FORMAT: The tensor starts at 0, inside "a", which ends at 32.',
    ],
    [
      "inside another",
      file(96, ["a", [16], 0], ["b", [8], 32]),
      'FORMAT: The tensor starts at 32, inside "a", which ends at 64.',
    ],
    [
      "inside the padding of the header",
      new Bytes().magic().counts(1, 0).tensor("a", [0], 0).done(),
      "FORMAT: The file ends too early: the padding before the data needs",
    ],
  ])("%s is refused", (_, bytes, message) => {
    expect(refusal(bytes)).toContain(message);
  });

  it.each<[string, Uint8Array, string]>([
    ["without dimensions", file(4, ["a", [], 0]), "no-dimensions"],
    ["with a name of 64 bytes", file(4, ["n".repeat(64), [1], 0]), "long-name"],
    ["with a line end in its name", file(4, ["a\nb", [1], 0]), "control-character"],
    ["after a hole", file(68, ["a", [1], 0], ["b", [1], 64]), "gap"],
    ["before the one before it", file(36, ["a", [1], 32], ["b", [1], 0]), "order"],
    ["before stray bytes", file(40, ["a", [8], 0]), "trailing-bytes"],
  ])("%s is read and reported", (_, bytes, code) => {
    expect(refusal(bytes)).toBe(`accepted ${code}`);
  });

  it.each<[string, Uint8Array]>([
    ["with a name of 63 bytes", file(4, ["n".repeat(63), [1], 0])],
    ["that looks like a path", file(4, ["../../etc/passwd", [1], 0])],
    ["called __proto__", file(4, ["__proto__", [1], 0])],
    ["of no elements", file(4, ["a", [0, 5], 0], ["b", [1], 0])],
    ["that is not padded at the end", file(36, ["a", [8], 0], ["b", [1], 32])],
    ["that is padded at the end", file(64, ["a", [8], 0], ["b", [1], 32])],
  ])("%s is read", (_, bytes) => {
    expect(refusal(bytes)).toBe("accepted");
  });

  it("must be at a multiple of the alignment that the file states", () => {
    const bytes = new Bytes().magic().counts(1, 1);
    bytes
      .text("general.alignment")
      .u32(types.u32)
      .u32(2 ** 30);
    expect(refusal(bytes.tensor("a", [1], 0).align().zeros(64).done())).toContain(
      "FORMAT: The file ends too early: the padding before the data needs",
    );
  });
});

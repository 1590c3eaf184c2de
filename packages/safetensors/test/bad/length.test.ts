/** Header lengths that the file cannot hold. CVE-like shapes: a length near 2^64 must not wrap, allocate or read. */
import { describe, expect, it } from "vitest";
import { file, refusal } from "./build.ts";

function withLength(length: bigint, rest = "{}"): Uint8Array {
  const bytes = file(rest);
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  return bytes;
}

describe("header length", () => {
  it.each([
    [3n, "FORMAT: The header length is 3, but the file has only 10 bytes."],
    [2n ** 32n, "FORMAT: The header length is 4294967296, but"],
    [2n ** 53n + 1n, "FORMAT: The header length is 9007199254740993, but"],
    [2n ** 63n, "FORMAT: The header length is 9223372036854775808, but"],
    [2n ** 64n - 1n, "FORMAT: The header length is 18446744073709551615, but"],
    [0n, "FORMAT: The header has 0 bytes"],
    [1n, "FORMAT: The header has 1 bytes"],
  ])("%i", (length, message) => {
    expect(refusal(withLength(length))).toContain(message);
  });

  it("is compared with the limit before anything is read", () => {
    expect(refusal(withLength(300_000_000n), 400_000_000)).toBe(
      "LIMIT: The header has 300000000 bytes; the limit is 268435456.",
    );
  });

  it.each([
    ["an empty file", "", "FORMAT: The file has only 0 bytes"],
    ["7 bytes", "1234567", "FORMAT: The file has only 7 bytes"],
    ["GGUF", "GGUF\u0003\0\0\0\u0001", "FORMAT: The file is GGUF"],
    [
      "a Git-LFS pointer",
      "version https://git-lfs.github.com/spec/v1\n",
      "FORMAT: The file is a Git-LFS pointer",
    ],
    ["a web page", "<!DOCTYPE html><html>", "FORMAT: The file is a web page"],
    ["a zip archive", "PK\u0003\u0004\u0014\0\0\0\b", "FORMAT: The file is a PyTorch pickle"],
  ])("%s is named", (_, text, message) => {
    expect(refusal(Uint8Array.from(text, (character) => character.charCodeAt(0)))).toContain(message);
  });
});

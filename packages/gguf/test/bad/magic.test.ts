/** Files that are something else, and versions that are not read. */
import { describe, expect, it } from "vitest";
import { Bytes, refusal } from "./build.ts";

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

describe("the magic", () => {
  it.each([
    ["an empty file", "", "FORMAT: The file has only 0 bytes"],
    ["three bytes", "GGU", "FORMAT: The file has only 3 bytes"],
    ["lower case", "gguf\u0003\0\0\0", "FORMAT: The file begins with the bytes 67 67 75 66"],
    ["GGML", "lmgg\0\0\0\0", "UNSUPPORTED: The file is in the unversioned GGML format"],
    ["GGMF", "fmgg\u0001\0\0\0", "UNSUPPORTED: The file is in the GGMF format"],
    ["GGJT", "tjgg\u0003\0\0\0", "UNSUPPORTED: The file is in the GGJT format"],
    [
      "a Git-LFS pointer",
      "version https://git-lfs.github.com/spec/v1\n",
      "FORMAT: The file is a Git-LFS pointer",
    ],
    ["a web page", "<!DOCTYPE html><html>", "FORMAT: The file is a web page"],
    ["zeros", "\0\0\0\0\0\0\0\0", "FORMAT: The file begins with zeros"],
    ["a zip archive", "PK\u0003\u0004\u0014\0", "FORMAT: The file is a zip archive"],
    ["safetensors", '\u0002\0\0\0\0\0\0\0{"a', "FORMAT: The file looks like safetensors"],
  ])("of %s", (_, text, message) => {
    expect(refusal(ascii(text))).toContain(message);
  });
});

describe("the version", () => {
  it.each([
    [0, "UNSUPPORTED: GGUF version 0 is not supported"],
    [1, "UNSUPPORTED: GGUF version 1 (32-bit counts, August 2023) is not supported"],
    [4, "UNSUPPORTED: GGUF version 4 is not supported"],
    [0x00010000, "UNSUPPORTED: GGUF version 256 is not supported"],
    [0x04000000, "UNSUPPORTED: GGUF version 4 is not supported"],
  ])("%i", (version, message) => {
    expect(refusal(new Bytes().magic(version).counts(0, 0).done())).toContain(message);
  });

  it.each([2, 3])("%i is read in both byte orders", (version) => {
    for (const littleEndian of [true, false])
      expect(refusal(new Bytes(littleEndian).magic(version).counts(0, 0).done())).toBe("accepted");
  });
});

/** Every prefix of a valid file is refused, and every changed byte gives a refusal or a file: never another error. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseHeader } from "../../src/index.ts";
import { refusal } from "./build.ts";

const valid = readFileSync(new URL("../vectors/official.safetensors", import.meta.url));

describe("a damaged file", () => {
  it("is refused at every length", () => {
    for (let length = 0; length < valid.byteLength; length++) {
      expect(refusal(valid.subarray(0, length)), `${length} bytes`).toMatch(/^FORMAT: /);
    }
  });

  it("is refused or read, whatever byte of the header changes", () => {
    const bytes = Uint8Array.from(valid);
    for (let at = 0; at < parseHeader(valid).dataOffset; at++) {
      for (const change of [0x01, 0x20, 0x80, 0xff]) {
        bytes[at] = (valid[at] ?? 0) ^ change;
        expect(refusal(bytes)).toMatch(/^(accepted|FORMAT: |LIMIT: |UNSUPPORTED: )/);
      }
      bytes[at] = valid[at] ?? 0;
    }
  });
});

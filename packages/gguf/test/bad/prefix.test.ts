/** Every prefix of a valid file is refused, and every changed byte gives a refusal or a file: never another error. */
import { memorySource } from "@requant/core";
import { describe, expect, it } from "vitest";
import { readGguf } from "../../src/index.ts";
import { refusal, small } from "./build.ts";

const valid = small();

describe("a damaged file", () => {
  it("is read when it is whole", () => {
    expect(refusal(valid)).toBe("accepted");
  });

  it("is refused at every length that cuts a tensor or the header", async () => {
    const { tensors } = await readGguf(memorySource(valid));
    const end = Math.max(...tensors.map(({ byteOffset, byteLength }) => byteOffset + byteLength));
    for (let length = 0; length < end; length++) {
      expect(refusal(valid.subarray(0, length)), `${length} bytes`).toMatch(/^FORMAT: /);
      await expect(readGguf(memorySource(valid.subarray(0, length)))).rejects.toMatchObject({
        code: "FORMAT",
      });
    }
    for (let length = end; length < valid.byteLength; length++)
      expect(refusal(valid.subarray(0, length))).toBe("accepted");
  });

  it("is refused or read, whatever byte changes", () => {
    const bytes = Uint8Array.from(valid);
    for (let at = 0; at < valid.byteLength; at++) {
      for (const change of [0x01, 0x02, 0x20, 0x80, 0xff]) {
        bytes[at] = (valid[at] ?? 0) ^ change;
        expect(refusal(bytes)).toMatch(/^(accepted|FORMAT: |LIMIT: |UNSUPPORTED: )/);
      }
      bytes[at] = valid[at] ?? 0;
    }
  });
});

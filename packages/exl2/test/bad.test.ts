import { CodecError } from "@requant/core";
import type { LinearPart } from "@requant/core/format";
import { exl2Codec, exl2Format } from "@requant/exl2";
import { describe, expect, test } from "vitest";
import { linearCases, vectorFolder } from "../../../fixtures/linear-cases.ts";

const entry = linearCases(vectorFolder(import.meta.url), "manifest.json", /^exl2$/).find(
  ({ file }) => file === "b5x4_g32.safetensors",
);
if (entry === undefined) throw new Error("the vector is missing");
const stored = [...entry.tensors].filter(([name]) => exl2Codec.suffixes.includes(name));
const parts: LinearPart[] = stored.map(([suffix, { encoding, shape }]) => ({ suffix, encoding, shape }));
const layout = exl2Codec.readLayout(parts, {});
const place = { tensor: "model.layers.0.mlp.up_proj.q_weight" };

/** The bytes of the good weight with one part changed. */
function changed(suffix: string, change: (part: Uint8Array) => void): Record<string, Uint8Array> {
  const bytes = Object.fromEntries(stored.map(([name, { bytes: part }]) => [name, part.slice()]));
  change(bytes[suffix] ?? new Uint8Array(0));
  return bytes;
}
const words = (part: Uint8Array): Int32Array => new Int32Array(part.buffer);
const halves = (part: Uint8Array): Uint16Array => new Uint16Array(part.buffer);

function refusal(run: () => unknown): CodecError {
  try {
    run();
  } catch (error) {
    if (error instanceof CodecError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("contents", () => {
  test.each<[string, Record<string, Uint8Array>, RegExp]>([
    [
      "a repeated entry in q_invperm",
      changed("q_invperm", (part) => {
        words(part)[1] = words(part)[0]!;
      }),
      /q_invperm is not a permutation of 384 columns: entry 1 is \d+, for the second time/,
    ],
    [
      "an entry that is no column",
      changed("q_invperm", (part) => {
        words(part)[7] = 384;
      }),
      /entry 7 is 384/,
    ],
    [
      "a negative entry",
      changed("q_invperm", (part) => {
        words(part)[7] = -1;
      }),
      /entry 7 is -1/,
    ],
    [
      "a width that does not exist",
      changed("q_groups", (part) => {
        halves(part)[2] = 7;
      }),
      /Group 1 of q_groups \(7 bits .*none of 8, 6, 5, 4, 3, 2/,
    ],
    [
      "rising widths",
      changed("q_groups", (part) => {
        halves(part)[4] = 8;
      }),
      /Group 2 .* is wider than the group before/,
    ],
    [
      "groups that overlap",
      changed("q_groups", (part) => {
        halves(part)[3] = 0;
      }),
      /Group 0 of q_groups .*rows/,
    ],
    [
      "groups past the end",
      changed("q_groups", (part) => {
        halves(part)[3] = 60000;
      }),
      /Group 0 of q_groups .*of 384/,
    ],
    [
      "a first group that does not begin at 0",
      changed("q_groups", (part) => {
        halves(part)[1] = 5;
      }),
      /Group 0 of q_groups/,
    ],
    [
      "a scale that is no number",
      changed("q_scale_max", (part) => {
        halves(part)[0] = 0x7e00;
      }),
      /group 0 is NaN/,
    ],
  ])("%s", (_, bytes, message) => {
    const error = refusal(() => exl2Codec.open(layout, bytes, place));
    expect(error.code).toBe("FORMAT");
    expect(error.message).toMatch(message);
    expect(error.tensor).toBe(place.tensor);
    expect(refusal(() => exl2Codec.measure(layout, bytes, place)).message).toBe(error.message);
  });
});

test.each<[string, LinearPart[], number | undefined, RegExp]>([
  ["no permutation", parts.filter(({ suffix }) => suffix !== "q_invperm"), undefined, /q_perm is missing/],
  ["no q_groups", parts.filter(({ suffix }) => suffix !== "q_groups"), undefined, /q_groups is missing/],
  [
    "q_scale of other groups",
    parts.map((part) => (part.suffix === "q_scale" ? { ...part, shape: [3, 16] } : part)),
    undefined,
    /\[24\] and \[12, 16\] were expected/,
  ],
  [
    "float words",
    parts.map((part) => (part.suffix === "q_weight" ? { ...part, encoding: "F32" } : part)),
    undefined,
    /q_weight is F32/,
  ],
  ["more rows than are stored", parts, 129, /stores 128 rows for 129 out features/],
  ["fewer rows than padding explains", parts, 64, /64 were expected/],
])("%s", (_, bad, rows, message) => {
  expect(refusal(() => exl2Codec.readLayout(bad, { rows }, place)).message).toMatch(message);
});

test("a lone q_weight is a weight of EXL2 where it holds integers, and the scale of a norm where it holds floats", () => {
  const found = (encoding: string): boolean[] =>
    exl2Format
      .find(
        [{ name: "layers.0.mixer.q_weight", encoding, shape: [4, 16], byteOffset: 0, byteLength: 256 }],
        undefined,
      )
      .map(({ isWeight }) => isWeight);
  expect(found("I32")).toEqual([true]);
  expect(found("F32")).toEqual([false]);
});

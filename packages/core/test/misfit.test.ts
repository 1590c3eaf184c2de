import { expect, test } from "vitest";
import * as z from "zod/mini";
import { misfitOf } from "../src/index.ts";

const schema = z.object({
  bits: z.int(),
  meta: z.object({ name: z.union([z.string(), z.array(z.string())]) }),
  sizes: z.array(z.number()),
});

test.each<[json: unknown, said: string]>([
  [{ bits: "four", meta: { name: "a" }, sizes: [] }, 'bits is "four", not number'],
  [
    { meta: { name: 5 }, sizes: [1, "2"] },
    'bits is missing, not number; meta.name is 5, which does not fit; sizes.1 is "2", not number',
  ],
  [{ bits: 1.5, meta: { name: [] }, sizes: [] }, "bits is 1.5, not int"],
  [[1], "it is [1], not object"],
  [{ bits: "x".repeat(99), meta: { name: "" }, sizes: [] }, `bits is "${"x".repeat(39)}…, not number`],
])("%j", (json, said) => {
  const { error } = schema.safeParse(json);
  expect(misfitOf(error?.issues ?? [], json)).toBe(said);
});

import type { LinearLayout } from "../format/linear-codec.ts";
import type { PlainLayout } from "../format/weight-target.ts";
import { check } from "./check.ts";

/** A layout that was read, as a plan holds it. @throws Error where it holds anything but numbers, words and flags */
export function plainLayoutOf(layout: LinearLayout): PlainLayout {
  const plain: Record<string, string | number | boolean> = {};
  for (const [key, value] of Object.entries<unknown>({ ...layout })) {
    const isPlain = typeof value === "number" || typeof value === "string" || typeof value === "boolean";
    check(isPlain, `The layout's ${key} is ${String(value)}, which no plan can hold.`);
    plain[key] = value;
  }
  return plain;
}

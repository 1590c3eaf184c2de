import { largest } from "@requant/core";
import { measure } from "./quantity.ts";

const BARS = "▁▂▃▄▅▆▇█";

/** One bar a bin, scaled to the fullest one; an empty bin is a space. */
export function histogram(counts: readonly number[], min: number, max: number): string {
  const most = Math.max(1, largest(counts) ?? 1);
  const bars = counts
    .map((count) => (count === 0 ? " " : BARS[Math.min(7, Math.floor((count / most) * 8))]))
    .join("");
  return `${measure(min)} ${bars} ${measure(max)}`;
}

/** Words for the parts of a plan that a message is about. */

/** Parts that a message names; the others are counted. */
const MOST_NAMED = 12;

/** "part 2/4", "parts 1/64, 7/64 and 3 more". */
export function wordsForParts(parts: ReadonlySet<number>, count: number): string {
  const named = [...parts].slice(0, MOST_NAMED).map((part) => `${part}/${count}`);
  const more = parts.size > named.length ? ` and ${parts.size - named.length} more` : "";
  return `${parts.size === 1 ? "part" : "parts"} ${named.join(", ")}${more}`;
}

/** The key with the largest number; 1 where there is none. */
export function mostFrequent(counts: ReadonlyMap<number, number>): number {
  let best = { key: 1, count: 0 };
  for (const [key, count] of counts) if (count > best.count) best = { key, count };
  return best.key;
}

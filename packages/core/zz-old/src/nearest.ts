/** The word that was probably meant: for answers to a word that is not known. */

/** Longer words are compared by their beginnings: a stranger's text costs no more than this squared. */
const LONGEST_WORD = 64;

/**
 * The words nearest to a misspelt one: all that are as near as the nearest, at most `most`; none where nothing is near. A word
 * is near when at most a third of its characters (one at least) are missing, added, changed or exchanged with their neighbour.
 * @example
 * ```ts
 * import { nearest } from "@requant/core/text";
 *
 * nearest("inspct", ["convert", "inspect"]); // ["inspect"]
 * ```
 */
export function nearest(word: string, words: Iterable<string>, most = 3): string[] {
  const asked = word.slice(0, LONGEST_WORD).toLowerCase();
  let least = Number.POSITIVE_INFINITY;
  let found: string[] = [];
  for (const candidate of new Set(words)) {
    const allowed = Math.max(1, Math.floor(Math.max(asked.length, candidate.length) / 3));
    // each character more or less is one change at least
    if (Math.abs(candidate.length - asked.length) > allowed) continue;
    const distance = editDistance(asked, candidate.slice(0, LONGEST_WORD).toLowerCase());
    if (distance > Math.min(allowed, candidate.length - 1, least)) continue;
    if (distance < least) found = [];
    least = distance;
    found.push(candidate);
  }
  return found.slice(0, most);
}

/** "Did you mean a or b?", with a blank before it; an empty text where nothing is near. */
export function didYouMean(word: string, words: Iterable<string>, most?: number): string {
  const found = nearest(word, words, most);
  return found.length === 0 ? "" : ` Did you mean ${found.join(" or ")}?`;
}

/** What it costs to change one character into another, in hundredths: digits are near to digits, as Q9_9 is to Q8_0. */
function changeCost(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  const [first, second] = [DIGITS.indexOf(a ?? " "), DIGITS.indexOf(b ?? " ")];
  return first < 0 || second < 0 ? WHOLE : 30 + 2 * Math.abs(first - second);
}

const DIGITS = "0123456789";
const WHOLE = 100;
/** Of neighbours, the most common slip of all. */
const EXCHANGE = 60;

/** Optimal string alignment: insertions, deletions, changes, and exchanges of neighbours. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => WHOLE * column);
  for (let row = 1; row <= a.length; row++) {
    const current = [WHOLE * row];
    for (let column = 1; column <= b.length; column++) {
      let least = Math.min(
        (last[column] ?? 0) + WHOLE,
        (current[column - 1] ?? 0) + WHOLE,
        (last[column - 1] ?? 0) + changeCost(a[row - 1], b[column - 1]),
      );
      const isExchange = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (row > 1 && column > 1 && isExchange)
        least = Math.min(least, (beforeLast[column - 2] ?? 0) + EXCHANGE);
      current.push(least);
    }
    [beforeLast, last] = [last, current];
  }
  return (last[b.length] ?? 0) / WHOLE;
}

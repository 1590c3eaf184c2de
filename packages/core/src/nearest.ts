/** The word that was probably meant: for answers to a word that is not known. */

/** Longer words are compared by their beginnings: a stranger's text costs no more than this squared. */
const LONGEST_WORD = 64;

/**
 * The words nearest to a misspelt one, at most `most`, the nearest first; none where nothing is near. A word is near when at
 * most a third of its characters (one at least) are missing, added, changed or exchanged with their neighbour.
 * @example
 * nearest("inspct", ["convert", "inspect"]); // ["inspect"]
 */
export function nearest(word: string, words: Iterable<string>, most = 1): string[] {
  const asked = word.slice(0, LONGEST_WORD).toLowerCase();
  const found: { readonly candidate: string; readonly distance: number }[] = [];
  for (const candidate of new Set(words)) {
    const distance = editDistance(asked, candidate.slice(0, LONGEST_WORD).toLowerCase());
    const allowed = Math.max(1, Math.floor(Math.max(asked.length, candidate.length) / 3));
    if (distance <= allowed && distance < candidate.length) found.push({ candidate, distance });
  }
  return found
    .sort((a, b) => a.distance - b.distance)
    .slice(0, most)
    .map(({ candidate }) => candidate);
}

/** "Did you mean a or b?", with a blank before it; an empty text where nothing is near. */
export function didYouMean(word: string, words: Iterable<string>, most = 1): string {
  const found = nearest(word, words, most);
  return found.length === 0 ? "" : ` Did you mean ${found.join(" or ")}?`;
}

/** Optimal string alignment: insertions, deletions, changes, and exchanges of neighbours. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const change = a[row - 1] === b[column - 1] ? 0 : 1;
      let least = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + change,
      );
      const isExchange = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (row > 1 && column > 1 && isExchange) least = Math.min(least, (beforeLast[column - 2] ?? 0) + 1);
      current.push(least);
    }
    [beforeLast, last] = [last, current];
  }
  return last[b.length] ?? 0;
}

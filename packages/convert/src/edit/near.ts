/** The names of a list that somebody may have meant. */

const MOST = 5;
/** A longer text is no name that somebody mistyped. */
const LONGEST = 64;

/**
 * Up to five of the names, the most similar first: those that differ in at most a third of their characters, whatever their
 * case, and those that hold the text. Empty where none is near.
 */
export function nearNames(text: string, names: Iterable<string>): string[] {
  const wanted = text.toLowerCase();
  if (wanted === "" || wanted.length > LONGEST) return [];
  const near: { name: string; distance: number }[] = [];
  for (const name of names) {
    if (name.length > LONGEST) continue;
    const other = name.toLowerCase();
    // of two characters, one that differs is half of the name
    const allowed = Math.floor(Math.max(wanted.length, other.length) / 3);
    const holds = wanted.length > 2 && other.includes(wanted);
    if (!holds && Math.abs(wanted.length - other.length) > allowed) continue;
    const distance = editDistance(wanted, other);
    if (holds || distance <= allowed) near.push({ name, distance });
  }
  near.sort((a, b) => a.distance - b.distance);
  return near.slice(0, MOST).map(({ name }) => name);
}

/** Characters to insert, remove or replace until one text is the other (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const replaced = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** Names that are most like what a user wrote: by the pairs of letters that both have. */

function pairsOf(text: string): ReadonlySet<string> {
  const pairs = new Set<string>();
  for (const word of text.toLowerCase().match(/[a-z0-9]+/g) ?? []) {
    for (let at = 0; at + 1 < word.length; at++) pairs.add(word.slice(at, at + 2));
  }
  return pairs;
}

/** At most `most` names, the likest first; of those that differ only in numbers the first. */
export function nearestNames(text: string, names: readonly string[], most: number): string[] {
  const wanted = pairsOf(text);
  const kinds = new Map<string, string>();
  for (const name of names) {
    const kind = name.replaceAll(/\d+/g, "#");
    if (!kinds.has(kind)) kinds.set(kind, name);
  }
  const likeness = (name: string): number => {
    const own = pairsOf(name);
    let shared = 0;
    for (const pair of own) if (wanted.has(pair)) shared += 1;
    return (2 * shared) / Math.max(1, own.size + wanted.size);
  };
  return [...kinds.values()]
    .map((name) => ({ name, likeness: likeness(name) }))
    .sort((a, b) => b.likeness - a.likeness)
    .slice(0, most)
    .map(({ name }) => name);
}

/** Merges lists so that each is spread evenly over the result, with its own order kept. */
export function interleave<T>(lists: readonly (readonly T[])[]): readonly T[] {
  const placed = lists.flatMap((list) =>
    list.map((item, index) => ({ item, place: (index + 0.5) / list.length })),
  );
  return placed.sort((a, b) => a.place - b.place).map(({ item }) => item);
}

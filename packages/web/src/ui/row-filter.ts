/** Filters the rows of long tables: what is looked in is made once for each row. */

/** The text of each row that a filter looks in. */
export function filterTexts<R>(rows: readonly R[], text: (row: R) => string): ReadonlyMap<R, string> {
  return new Map(rows.map((row) => [row, text(row).toLowerCase()]));
}

/** The rows whose text has each word of the filter. */
export function matchingRows<R>(
  rows: readonly R[],
  texts: ReadonlyMap<R, string>,
  filter: string,
): readonly R[] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  if (words.length === 0) return rows;
  return rows.filter((row) => {
    const text = texts.get(row) ?? "";
    return words.every((word) => text.includes(word));
  });
}

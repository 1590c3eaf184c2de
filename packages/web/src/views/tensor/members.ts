/** The first column of each group, and how many columns it has. */
export function membersOf(
  groupOfColumn: Int32Array,
  groupCount: number,
): { readonly firsts: Int32Array; readonly counts: Int32Array } {
  const firsts = new Int32Array(groupCount);
  const counts = new Int32Array(groupCount);
  for (let column = groupOfColumn.length - 1; column >= 0; column--) {
    const group = groupOfColumn[column] ?? 0;
    firsts[group] = column;
    counts[group] = (counts[group] ?? 0) + 1;
  }
  return { firsts, counts };
}

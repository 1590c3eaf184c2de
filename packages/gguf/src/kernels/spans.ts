/** The kernels need runs of so many columns of one group. */
export const SPAN = 32;

/** The group of each 32 columns; undefined where a group ends inside such a run. */
export function spanGroups(groupOfColumn: Int32Array): Int32Array | undefined {
  const spans = new Int32Array(groupOfColumn.length / SPAN);
  for (let span = 0, column = 0; span < spans.length; span++) {
    const group = groupOfColumn[column]!;
    spans[span] = group;
    for (const end = column + SPAN; column < end; column++) {
      if (groupOfColumn[column] !== group) return undefined;
    }
  }
  return spans;
}

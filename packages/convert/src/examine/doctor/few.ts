/** The first of a list, and how many more there are. `count`: of the whole list, where only its first items are given. */
export function few(list: readonly string[], count: number = list.length): string {
  return count <= FEW ? list.join(", ") : `${list.slice(0, FEW).join(", ")} and ${count - FEW} more`;
}

/** As many items are named. */
export const FEW = 3;

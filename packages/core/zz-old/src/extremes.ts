/**
 * `Math.max(...numbers)` puts every number on the stack, which overflows for long lists. These functions take any count;
 * NaN among the numbers makes the result NaN, as with `Math.max`.
 */

/** The largest number; undefined of none. */
export function largest(numbers: Iterable<number>): number | undefined {
  let found: number | undefined;
  for (const number of numbers) found = found === undefined ? number : Math.max(found, number);
  return found;
}

/** The smallest number; undefined of none. */
export function smallest(numbers: Iterable<number>): number | undefined {
  let found: number | undefined;
  for (const number of numbers) found = found === undefined ? number : Math.min(found, number);
  return found;
}

import type { Allocation, SizedChoice } from "./allocation.ts";

/** Additions that the table may take: some tenths of a second. */
const MOST_STEPS = 60_000_000;

/**
 * The choices with the least cost of all whose sizes are together at most the budget and, where some are, at least
 * `nearlyAll` of it: a table of the least cost for every sum of sizes. Undefined where the table would be too large.
 */
export function exactAllocation(
  things: readonly (readonly SizedChoice[])[],
  budget: number,
  nearlyAll: number,
): Allocation | undefined {
  const least = things.map((choices) => choices.reduce((min, { size }) => Math.min(min, size), Infinity));
  const smallest = least.reduce((sum, size) => sum + size, 0);
  let unit = 0;
  let choiceCount = 0;
  things.forEach((choices, thing) => {
    choiceCount += choices.length;
    for (const { size } of choices) unit = greatestDivisor(unit, size - least[thing]!);
  });
  if (unit === 0 || !Number.isInteger(unit)) return undefined;
  const last = Math.floor((budget - smallest) / unit);
  if (last < 0 || (last + 1) * choiceCount > MOST_STEPS) return undefined;
  let costs = new Float64Array(last + 1).fill(Number.POSITIVE_INFINITY);
  costs[0] = 0;
  const picks = things.map((choices, thing) => {
    const next = new Float64Array(last + 1).fill(Number.POSITIVE_INFINITY);
    const picked = new Uint8Array(last + 1);
    choices.forEach(({ size, cost }, choice) => {
      const step = (size - least[thing]!) / unit;
      for (let sum = step; sum <= last; sum++) {
        const total = costs[sum - step]! + cost;
        if (total < next[sum]!) {
          next[sum] = total;
          picked[sum] = choice;
        }
      }
    });
    costs = next;
    return picked;
  });
  const first = Math.max(0, Math.ceil((budget * nearlyAll - smallest) / unit));
  const end = bestSum(costs, first) ?? bestSum(costs, 0);
  if (end === undefined) return undefined;
  const chosen = things.map(() => 0);
  for (let thing = things.length - 1, sum = end; thing >= 0; thing--) {
    const choice = picks[thing]![sum]!;
    chosen[thing] = choice;
    sum -= (things[thing]![choice]!.size - least[thing]!) / unit;
  }
  return { chosen, size: smallest + end * unit, cost: costs[end]! };
}

function bestSum(costs: Float64Array, first: number): number | undefined {
  let best: number | undefined;
  for (let sum = first; sum < costs.length; sum++) {
    if (costs[sum]! < (best === undefined ? Number.POSITIVE_INFINITY : costs[best]!)) best = sum;
  }
  return best;
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** A size for each of many things, so that all together fit a budget and cost as little as possible. */
import { UsageError } from "../errors.ts";
import type { Allocation, SizedChoice } from "./allocation.ts";
import { exactAllocation } from "./exact-allocation.ts";

/** The share of the budget that may stay unused. */
const UNUSED_SHARE = 0.001;

/** The smallest and the largest size that an allocation can have. */
export function sizeRange(things: readonly (readonly SizedChoice[])[]): {
  readonly smallest: number;
  readonly largest: number;
} {
  let smallest = 0;
  let largest = 0;
  for (const choices of things) {
    let least = Number.POSITIVE_INFINITY;
    let most = 0;
    for (const { size } of choices) {
      least = Math.min(least, size);
      most = Math.max(most, size);
    }
    smallest += least;
    largest += most;
  }
  return { smallest, largest };
}

/**
 * The choices with the least cost whose sizes are together at most the budget, and within a thousandth below it where the
 * sizes allow. Exact where a table of all sums of sizes is small enough (some dozens of things). Otherwise exact but for
 * the last step: all things begin as small as they can be, and the steps that save the most cost per size are taken in
 * order, each thing along the lower convex hull of its choices (a Lagrange multiplier's choice at every moment); the rest
 * of the budget is filled by single changes, and by pairs of one that grows and one that shrinks, while they lower the cost.
 * @param unusedShare how much of the budget may stay unused where a table decides; 1: whatever costs least
 * @throws UsageError where even the smallest sizes are more than the budget, or a thing has no choices
 */
export function allocateSizes(
  things: readonly (readonly SizedChoice[])[],
  budget: number,
  unusedShare: number = UNUSED_SHARE,
): Allocation {
  const { smallest } = sizeRange(things);
  if (!(smallest <= budget)) {
    throw new UsageError(`The smallest choices have a size of ${smallest}, which is more than ${budget}.`);
  }
  const state = new AllocationState(things);
  const exact = exactAllocation(things, budget, 1 - unusedShare);
  if (exact !== undefined) return exact;
  const steps = things.flatMap((choices, thing) =>
    hullSteps(choices, state.chosen[thing]!).map((step) => ({ ...step, thing })),
  );
  steps.sort((a, b) => b.rate - a.rate || a.thing - b.thing || a.size - b.size);
  // a thing that could not take a step takes no later one of the hull: those are for the filling
  const stopped = new Set<number>();
  for (const { thing, choice } of steps) {
    if (stopped.has(thing)) continue;
    if (state.fits(thing, choice, budget)) state.take(thing, choice);
    else stopped.add(thing);
  }
  fill(state, budget);
  return { chosen: state.chosen, size: state.size, cost: state.cost };
}

class AllocationState {
  readonly things: readonly (readonly SizedChoice[])[];
  readonly chosen: number[];
  size = 0;
  cost = 0;

  constructor(things: readonly (readonly SizedChoice[])[]) {
    this.things = things;
    this.chosen = things.map(smallestChoice);
    things.forEach((choices, thing) => {
      this.size += choices[this.chosen[thing]!]!.size;
      this.cost += choices[this.chosen[thing]!]!.cost;
    });
  }

  change(thing: number, choice: number): SizedChoice {
    const choices = this.things[thing]!;
    const [from, to] = [choices[this.chosen[thing]!]!, choices[choice]!];
    return { size: to.size - from.size, cost: to.cost - from.cost };
  }

  fits(thing: number, choice: number, budget: number): boolean {
    return this.size + this.change(thing, choice).size <= budget;
  }

  take(thing: number, choice: number): void {
    const { size, cost } = this.change(thing, choice);
    this.chosen[thing] = choice;
    this.size += size;
    this.cost += cost;
  }
}

/** Of the smallest choices the one that costs least. */
function smallestChoice(choices: readonly SizedChoice[]): number {
  if (choices.length === 0) throw new UsageError("There is nothing to choose from.");
  let best = 0;
  choices.forEach(({ size, cost }, index) => {
    const now = choices[best]!;
    if (size < now.size || (size === now.size && cost < now.cost)) best = index;
  });
  return best;
}

interface HullStep {
  readonly choice: number;
  /** Of the choice, not of the step. */
  readonly size: number;
  /** Cost that the step saves per size. */
  readonly rate: number;
}

/** The corners of the lower convex hull of (size, cost), from a choice on: ever larger, with ever less saved per size. */
function hullSteps(choices: readonly SizedChoice[], start: number): HullStep[] {
  const steps: HullStep[] = [];
  let now = start;
  for (;;) {
    const from = choices[now]!;
    let best: HullStep | undefined;
    choices.forEach(({ size, cost }, choice) => {
      if (size <= from.size || cost >= from.cost) return;
      const rate = (from.cost - cost) / (size - from.size);
      if (best === undefined || rate > best.rate || (rate === best.rate && size > best.size)) {
        best = { choice, size, rate };
      }
    });
    if (best === undefined) return steps;
    const step: HullStep = best;
    steps.push(step);
    now = step.choice;
  }
}

interface Move extends SizedChoice {
  readonly thing: number;
  readonly choice: number;
}

/** Moves of one size are alike but for their cost; the best of them are enough, of different things. */
const KEPT_MOVES = 2;

/** Sizes of moves that are paired: the work grows with the square of their number. */
const PAIRED_SIZES = 2000;

/** Rounding of sums must not look like a gain. */
const LEAST_GAIN = 1e-9;

function fill(state: AllocationState, budget: number): void {
  // each round lowers the cost, so this ends; the limit bounds the work where gains become tiny
  for (let round = 0; round < 20 * state.things.length + 100; round++) {
    const moves = bestMoves(state);
    const left = budget - state.size;
    const least = -LEAST_GAIN * state.cost;
    const single = moves.filter(({ size, cost }) => size <= left && cost < least);
    let found: readonly Move[] = single.sort((a, b) => a.cost - b.cost).slice(0, 1);
    if (found.length === 0 && left > budget * UNUSED_SHARE) found = bestPair(moves, left, least);
    if (found.length === 0) return;
    for (const { thing, choice } of found) state.take(thing, choice);
  }
}

/** For each size that one change makes, the changes that cost least. */
function bestMoves(state: AllocationState): Move[] {
  const bySize = new Map<number, Move[]>();
  state.things.forEach((choices, thing) => {
    choices.forEach((_, choice) => {
      if (choice === state.chosen[thing]) return;
      const move = { thing, choice, ...state.change(thing, choice) };
      const known = bySize.get(move.size) ?? [];
      known.push(move);
      known.sort((a, b) => a.cost - b.cost);
      bySize.set(move.size, known.slice(0, KEPT_MOVES));
    });
  });
  return [...bySize.values()].flat();
}

/** A change that grows with one that shrinks, of different things, that lower the cost the most and fit. */
function bestPair(moves: readonly Move[], left: number, least: number): readonly Move[] {
  const gains = moves.filter(({ cost }) => cost < least).slice(0, PAIRED_SIZES);
  const others = moves.filter(({ size }) => size < 0).slice(0, PAIRED_SIZES);
  let best: readonly Move[] = [];
  let lowest = least;
  for (const gain of gains) {
    for (const other of others) {
      const cost = gain.cost + other.cost;
      if (cost >= lowest || gain.size + other.size > left || gain.thing === other.thing) continue;
      lowest = cost;
      best = [gain, other];
    }
  }
  return best;
}

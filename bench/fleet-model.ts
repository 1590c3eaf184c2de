/** A fleet on paper: workers that take parts from a queue which hands out one part after the other. */

/** What is simulated. */
export interface SimulatedFleet {
  readonly workers: number;
  readonly parts: number;
  /** Times that parts take, which are used in turn. */
  readonly partSeconds: readonly number[];
  /** What the queue needs to hand out a part and to take its result; it does so for one part at a time. */
  readonly queueSeconds: number;
  /** What `finish` takes on one machine, with its check of all bytes. */
  readonly finishSeconds: number;
}

/** How the fleet uses its time. */
export interface SimulatedTimes {
  readonly workers: number;
  /** Until the last part is made. */
  readonly partsSeconds: number;
  /** Work of all parts ÷ (workers × time). */
  readonly efficiency: number;
  /** Share of the time in which the queue is busy. */
  readonly queueShare: number;
  /** With `finish`, and its check of all bytes by one machine. */
  readonly totalSeconds: number;
  /** The same with `finish` in the measure. */
  readonly totalEfficiency: number;
}

/** Each idle worker waits for its turn at the queue, and then makes its part. */
export function simulateFleet(fleet: SimulatedFleet): SimulatedTimes {
  const { workers, parts, partSeconds, queueSeconds, finishSeconds } = fleet;
  const free = Array.from({ length: workers }, () => 0);
  let queueFree = 0;
  let work = 0;
  let end = 0;
  for (let part = 0; part < parts; part++) {
    let soonest = 0;
    for (let worker = 1; worker < workers; worker++) {
      if ((free[worker] ?? 0) < (free[soonest] ?? 0)) soonest = worker;
    }
    const own = partSeconds[part % partSeconds.length] ?? 0;
    const begun = Math.max(queueFree, free[soonest] ?? 0) + queueSeconds;
    queueFree = begun;
    free[soonest] = begun + own;
    work += own;
    end = Math.max(end, begun + own);
  }
  const total = end + finishSeconds;
  return {
    workers,
    partsSeconds: end,
    efficiency: work / (workers * end),
    queueShare: (parts * queueSeconds) / end,
    totalSeconds: total,
    totalEfficiency: (work + finishSeconds) / (workers * total),
  };
}

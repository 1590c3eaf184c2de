/** One way to store one thing. */
export interface SizedChoice {
  /** In any unit, the same for all. */
  readonly size: number;
  /** What is lost; costs of different things are added. */
  readonly cost: number;
}

/** What was chosen. */
export interface Allocation {
  /** For each thing the index of its choice. */
  readonly chosen: number[];
  readonly size: number;
  readonly cost: number;
}

/** What a method of the host gets beside its input. */
export interface Control {
  readonly signal: AbortSignal;
  /** Tells the page how far it is. */
  progress(value: unknown): void;
}

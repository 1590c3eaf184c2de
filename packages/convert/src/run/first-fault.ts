/** Where jobs run at the same time and several fail, the failure of the first job in order is reported. */
export class FirstFault {
  private readonly running = new Set<number>();
  private readonly counts: (error: unknown) => boolean;
  private readonly stop: (error: unknown) => void;
  private fault: { readonly order: number; readonly error: unknown } | undefined;
  private stopped = false;

  /**
   * `counts`: the faults that are told in this order. `stop` is called once, when no job before that of the first fault is
   * running any more.
   */
  constructor(counts: (error: unknown) => boolean, stop: (error: unknown) => void) {
    this.counts = counts;
    this.stop = stop;
  }

  /** Runs a job. Jobs must start in their order. */
  async run(order: number, work: () => Promise<void>): Promise<void> {
    this.running.add(order);
    try {
      await work();
    } catch (error) {
      const isEarlier = this.fault === undefined || order < this.fault.order;
      // a job that fails because it was stopped has no fault of its own
      if (this.counts(error) && isEarlier && !this.stopped) this.fault = { order, error };
      throw error;
    } finally {
      this.running.delete(order);
      this.stopWhenAlone();
    }
  }

  /** The failure to report instead of `error`. */
  insteadOf(error: unknown): unknown {
    return this.fault !== undefined && this.counts(error) ? this.fault.error : error;
  }

  private stopWhenAlone(): void {
    const { fault } = this;
    if (fault === undefined || this.stopped) return;
    for (const order of this.running) if (order < fault.order) return;
    this.stopped = true;
    this.stop(fault.error);
  }
}

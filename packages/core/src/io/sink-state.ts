import { UsageError } from "../errors.ts";

/** From the making of a sink to its end: one step at a time, and none after a failure. */
export class SinkState {
  private current: "open" | "failed" | "closed" | "aborted" = "open";
  private busy = false;
  private readonly path: string;

  /** @param path for errors */
  constructor(path: string) {
    this.path = path;
  }

  /** @throws UsageError where the sink has ended, or the last step has not; else what `work` throws, which ends the sink */
  async step(work: () => Promise<void>): Promise<void> {
    const { current, path } = this;
    if (current !== "open") throw new UsageError(`The file is already ${current}.`, { path });
    // two writes at once would both start at the same place
    if (this.busy) throw new UsageError("The last write is not done yet: await it.", { path });
    this.busy = true;
    try {
      await work();
    } catch (error) {
      this.current = "failed";
      throw error;
    } finally {
      this.busy = false;
    }
  }

  close(): void {
    this.current = "closed";
  }

  /** @returns false where the sink is closed or aborted already */
  abort(): boolean {
    if (this.current === "closed" || this.current === "aborted") return false;
    this.current = "aborted";
    return true;
  }
}

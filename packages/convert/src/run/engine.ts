/** The steps of a run, whatever its output is. */
import type { RunOutput } from "./outputs/output.ts";
import type { RunState } from "./run-state.ts";

/** Makes all pieces and delivers them. Files get their names only when every piece is delivered. */
export async function runInto(run: RunState, output: RunOutput): Promise<void> {
  const { check = true, signal } = run.options;
  try {
    await run.withPool(output, async (pool) => {
      const jobs = (await output.jobsLeft?.(pool)) ?? run.work.jobs;
      await output.begin();
      await run.make(pool, jobs, {
        onMade: async (made) => output.note?.(made),
        onFailure: (error) => output.fail?.(error),
      });
      if (check) await output.check?.(pool);
    });
    signal?.throwIfAborted();
    await output.publish();
  } catch (error) {
    await output.end(error);
    throw error;
  }
  if (check) await output.checkPublished?.();
}

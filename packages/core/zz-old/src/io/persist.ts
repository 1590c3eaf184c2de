import { CodecError, IoError } from "../errors.ts";
import { type HttpRequest, TransientFault } from "./http-request.ts";
import { pause, retryDelay } from "./retry.ts";

/** How often to try again, and what an error names. */
export interface Persistence {
  readonly signal?: AbortSignal | undefined;
  /** Repetitions after the first attempt. Default 3. */
  readonly retries?: number | undefined;
  readonly offset?: number;
}

/** Runs `work` with a fresh request until it succeeds, fails for good, or the repetitions are used up. */
export async function persist<T>(
  begin: () => HttpRequest,
  work: (request: HttpRequest) => Promise<T>,
  { signal, retries = 3, offset }: Persistence,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    const request = begin();
    try {
      return await work(request);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof CodecError) throw error;
      if (!(error instanceof TransientFault)) {
        throw new IoError("The request failed for an unknown reason.", {
          path: request.name,
          offset,
          cause: error,
        });
      }
      const delay = attempt > retries ? undefined : retryDelay(attempt, error.after);
      if (delay === undefined) throw error.error;
      await pause(delay, signal);
    } finally {
      request.end();
    }
  }
}

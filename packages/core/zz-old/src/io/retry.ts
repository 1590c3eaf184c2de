/** How often and how long to wait before asking a server again. */

/** The caller decides whether to wait longer than this. */
const longestWait = 30_000;
const firstWait = 250;

/** Milliseconds that a `Retry-After` header asks for (seconds or an HTTP date), or undefined. */
export function retryAfter(header: string | null, now: number = Date.now()): number | undefined {
  if (header === null) return undefined;
  const text = header.trim();
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/**
 * Milliseconds until the quota is renewed, of a `RateLimit` header such as `"api";r=0;t=55`; undefined where it is not
 * used up (IETF draft httpapi-ratelimit-headers; the Hugging Face hub sends it in place of `Retry-After`).
 */
export function rateLimitReset(header: string | null): number | undefined {
  const fields = (header ?? "").split(";").map((field) => field.trim());
  const seconds = fields.find((field) => /^t=\d{1,9}$/.test(field))?.slice(2);
  return fields.includes("r=0") && seconds !== undefined ? Number(seconds) * 1000 : undefined;
}

/**
 * Milliseconds before attempt `attempt` (1 is the first repetition), or undefined when the server wants us to wait too
 * long. Doubling, with a random part, so that the workers of one job do not all retry at the same moment.
 */
export function retryDelay(attempt: number, asked: number | undefined): number | undefined {
  if (asked !== undefined) return asked <= longestWait ? asked : undefined;
  return Math.min(longestWait, firstWait * 2 ** (attempt - 1) * (0.5 + Math.random()));
}

/** Resolves after `milliseconds`; rejects with the signal's reason when it is aborted first. */
export function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

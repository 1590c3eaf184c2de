/** Statuses of a signed address that has expired, or whose file was moved. */
const goneStatuses: ReadonlySet<number> = new Set([400, 401, 403, 404, 410]);

/**
 * A `fetch` for many requests of one URL: after a redirect, the next requests go straight to where it led, until that
 * address is refused; then the URL is asked again. Saves a server that counts requests, such as a model hub, all but
 * the first. To another origin it sends the range and none of the caller's other headers.
 */
export function followingFetch(fetch: typeof globalThis.fetch): typeof globalThis.fetch {
  let led: string | undefined;
  return async (input, init) => {
    if (led !== undefined) {
      const isElsewhere = new URL(led).origin !== new URL(String(input)).origin;
      const range = new Headers(init?.headers).get("range");
      const headers = isElsewhere ? { headers: range === null ? {} : { range } } : {};
      const response = await fetch(led, { ...init, ...headers });
      if (!goneStatuses.has(response.status)) return response;
      await response.body?.cancel();
      led = undefined;
    }
    const response = await fetch(input, init);
    if (response.redirected) led = response.url;
    return response;
  };
}

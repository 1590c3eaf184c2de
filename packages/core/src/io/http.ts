/**
 * Requests to servers that may be slow or busy: `@requant/core/http`. Runs in browsers as it is.
 * @module
 * @example
 * import { HttpRequest, persist } from "@requant/core/http";
 *
 * const url = "https://example.org/report";
 * const status = await persist(
 *   () => new HttpRequest(url, url, {}),
 *   async (request) => (await request.ask({ method: "PUT", body: "text" })).status,
 *   { signal: undefined, retries: 3 },
 * );
 */

export { type HttpAsking, type HttpOptions, HttpRequest, TransientFault } from "./http-request.ts";
export { type Persistence, persist } from "./persist.ts";

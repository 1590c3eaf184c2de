/** A connection to Redis, or to Valkey, which speaks the same protocol. */
import { IoError, shownUrl, UsageError } from "@requant/core";
import { withoutTrailing } from "@requant/core/text";
import { Redis } from "ioredis";

const CONNECT_TIMEOUT = 10_000;
/** Longest wait between two attempts to connect again. */
const LONGEST_WAIT = 5_000;
/** A command that only asks gives up after so many attempts to connect again. */
const RETRIES = 3;

/** What the connection is for: "ask" gives up soon where Redis is away; "work" waits until it is back. */
export type ConnectionUse = "ask" | "work";

/**
 * Connects. `rediss://` is TLS; a user and a password stand in the URL, and in no message.
 * @throws UsageError for what is no such URL; IoError where nothing answers, or the password is refused
 */
export async function connectRedis(url: string, use: ConnectionUse): Promise<Redis> {
  refuseOtherUrl(url);
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT,
    // a worker's commands wait for Redis to come back
    maxRetriesPerRequest: use === "work" ? null : RETRIES,
    retryStrategy: (times) => (isConnected || times <= RETRIES ? Math.min(times * 200, LONGEST_WAIT) : null),
  });
  let isConnected = false;
  let last: Error | undefined;
  redis.on("error", (error: Error) => {
    last = error;
  });
  try {
    await redis.connect();
    await redis.ping();
    isConnected = true;
    return redis;
  } catch (cause) {
    redis.disconnect();
    const reason = last ?? cause;
    const text = reason instanceof Error ? reason.message : String(reason);
    const refusal = refusals.find(({ answer }) => answer.test(text));
    if (refusal !== undefined) {
      const { message, hint } = refusal;
      throw new IoError(message, { path: shownAddress(url), cause, hint, reason: "unauthorized" });
    }
    throw new IoError(`Redis does not answer: ${withoutTrailing(text, ".")}.`, {
      path: shownAddress(url),
      cause,
      hint: "Check that Redis or Valkey runs there, and the user and the password in the URL.",
      reason: "unreachable",
    });
  }
}

/** How Redis refuses a client: the first words of its answers are part of its protocol. */
const refusals: readonly { readonly answer: RegExp; readonly message: string; readonly hint: string }[] = [
  {
    answer: /^NOAUTH/,
    message: "Redis asks for a password, and the URL has none.",
    hint: "Write it into REDIS_URL: redis://:password@host:6379, or with a user redis://user:password@host:6379.",
  },
  {
    answer: /^WRONGPASS/,
    message: "Redis refuses the user or the password in the URL.",
    hint: "Check both in REDIS_URL; characters such as @ and / are written as %40 and %2F.",
  },
];

/** The URL without what is secret in it. */
function shownAddress(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

function refuseOtherUrl(url: string): void {
  if (URL.canParse(url) && /^rediss?:$/.test(new URL(url).protocol)) return;
  throw new UsageError(`${shownUrl(url)} is no address of Redis.`, {
    hint: "Write redis://host:6379, or rediss://user:password@host:6380 for TLS.",
  });
}

import { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { type ConnectionUse, connectRedis } from "./connection.ts";
import { PREFIX, QUEUE } from "./part-job.ts";

/** An open queue, and the connection under it. */
export interface FleetQueue {
  readonly redis: Redis;
  readonly queue: Queue;
}

/** Opens the queue of all parts, hands it to `use`, and closes it. */
export async function withQueue<T>(
  url: string,
  purpose: ConnectionUse,
  use: (fleet: FleetQueue) => Promise<T>,
): Promise<T> {
  const redis = await connectRedis(url, purpose);
  const queue = new Queue(QUEUE, { connection: redis, prefix: PREFIX });
  // the connection tells of its errors itself
  queue.on("error", () => {});
  try {
    return await use({ redis, queue });
  } finally {
    await queue.close();
    redis.disconnect();
  }
}

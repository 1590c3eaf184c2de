/** Entries that are kept: weights with the same inputs lie together, and two jobs run at a time. */
const KEPT = 2;

/** What was made for a key; the newest few stay. */
export function recent<T>(cache: Map<string, T>, key: string, make: () => T): T {
  const found = cache.get(key) ?? make();
  cache.delete(key);
  cache.set(key, found);
  for (const old of cache.keys()) {
    if (cache.size <= KEPT) break;
    cache.delete(old);
  }
  return found;
}

/** The same for what takes time to make: what failed is made again. */
export async function recentlyUsed<T>(
  cache: Map<string, Promise<T>>,
  key: string,
  make: () => Promise<T>,
): Promise<T> {
  const found = recent(cache, key, make);
  try {
    return await found;
  } catch (error) {
    if (cache.get(key) === found) cache.delete(key);
    throw error;
  }
}

/** Entries of statistics that are kept: weights with the same inputs lie together, and two jobs run at a time. */
const KEPT = 2;

/** What was made for a key, or is made now; the newest few stay, and what failed is made again. */
export async function recentlyUsed<T>(
  cache: Map<string, Promise<T>>,
  key: string,
  make: () => Promise<T>,
): Promise<T> {
  const found = cache.get(key) ?? make();
  cache.delete(key);
  cache.set(key, found);
  for (const old of cache.keys()) {
    if (cache.size <= KEPT) break;
    cache.delete(old);
  }
  try {
    return await found;
  } catch (error) {
    if (cache.get(key) === found) cache.delete(key);
    throw error;
  }
}

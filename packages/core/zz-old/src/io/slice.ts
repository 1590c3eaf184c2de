import { checkRange } from "./range.ts";
import type { ByteSource } from "./source.ts";

/**
 * Bytes `[start, end)` of a source as a source of their own: a file inside a file. `close` does nothing, because the
 * caller that opened the outer source closes it.
 * @throws IoError when the range is not inside the source
 */
export function sliceSource(
  source: ByteSource,
  start: number,
  end: number,
  name: string = source.name,
): ByteSource {
  checkRange(source.name, source.byteLength, start, end);
  const byteLength = end - start;
  return {
    name,
    byteLength,
    async read(from, to) {
      checkRange(name, byteLength, from, to);
      return source.read(start + from, start + to);
    },
    async readInto(target, from) {
      checkRange(name, byteLength, from, from + target.byteLength);
      return source.readInto(target, start + from);
    },
    async close() {},
  };
}

/** The kernel of reading headers. It is a module of its own, because compiling all codecs takes longer than the walk. */
export { skippedStrings, skipStrings } from "./skip-strings";

/** The first address after this module's constants. */
export function staticEnd(): usize {
  return __heap_base;
}

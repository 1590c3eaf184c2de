/** What tests of a package need. */
export { type CountingSource, countingSource } from "../io/counting.ts";

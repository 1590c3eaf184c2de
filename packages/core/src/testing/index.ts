/**
 * What the tests of a package need, for any test runner.
 * @module
 */
export { type CountingSource, countingSource } from "../io/counting.ts";
export type { ConformanceCase, ConformanceOptions } from "./conformance-case.ts";
export { describeFormat, formatCases, type TestRunner } from "./describe-format.ts";
export type { ExpectedWeight, FormatVector } from "./format-vector.ts";

/**
 * The conformance suite that every weight format inherits: it compares a format with vectors of the tool that defines it,
 * and with what the format promises about itself.
 */
import type { WeightFormat } from "../format/weight-format.ts";
import { growthCases } from "./cases-growth.ts";
import { hostileCases, hostileLayoutCases } from "./cases-hostile.ts";
import { readingCases } from "./cases-reading.ts";
import { recognitionCases } from "./cases-recognition.ts";
import { wordCases } from "./cases-words.ts";
import { packingCases, promiseCases } from "./cases-writing.ts";
import type { ConformanceCase, ConformanceOptions, Subject } from "./conformance-case.ts";
import type { FormatVector } from "./format-vector.ts";

/** The two functions of a test runner that `describeFormat` calls; those of vitest, Jest and node:test fit. */
export interface TestRunner extends ConformanceOptions {
  /** Groups the tests that `body` declares, as vitest's function of this name. */
  describe(name: string, body: () => void): unknown;
  /** Declares one test, as vitest's function of this name. */
  it(name: string, body: () => Promise<void>): unknown;
}

type CasesOf = (subject: Subject) => ConformanceCase[];

/** Cases that need vectors. */
const OF_VECTORS: readonly CasesOf[] = [
  recognitionCases,
  readingCases,
  hostileCases,
  hostileLayoutCases,
  packingCases,
];

/** Cases that need the format alone. */
const OF_FORMAT: readonly CasesOf[] = [promiseCases, wordCases, growthCases];

/**
 * All cases of a format, for a runner that `describeFormat` does not fit.
 * @example
 * import type { WeightFormat } from "@requant/core/format";
 * import { type FormatVector, formatCases } from "@requant/core/testing";
 *
 * async function check(format: WeightFormat, vectors: readonly FormatVector[]): Promise<void> {
 *   for (const { run } of formatCases(format, vectors)) await run();
 * }
 */
export function formatCases(
  format: WeightFormat,
  vectors: readonly FormatVector[],
  options: ConformanceOptions = {},
): ConformanceCase[] {
  const groups = options.vectorsOnly === true ? OF_VECTORS : [...OF_VECTORS, ...OF_FORMAT];
  return groups.flatMap((casesOf) => casesOf({ format, vectors, options }));
}

/**
 * Declares all cases of a format as tests. Call it once with the vectors of the package, and once more with those of a
 * larger set where there is one.
 * @example
 * import type { WeightFormat } from "@requant/core/format";
 * import { describeFormat, type FormatVector, type TestRunner } from "@requant/core/testing";
 *
 * // `runner` is { describe, it } of vitest, say
 * function testFormat(ownFormat: WeightFormat, vectors: FormatVector[], runner: TestRunner): void {
 *   describeFormat(ownFormat, vectors, runner);
 * }
 */
export function describeFormat(
  format: WeightFormat,
  vectors: readonly FormatVector[],
  runner: TestRunner,
): void {
  runner.describe(`the format ${format.name}`, () => {
    for (const { name, run } of formatCases(format, vectors, runner)) runner.it(name, run);
  });
}

import * as api from "@requant/calibrate";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/calibrate", () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "EvaluationMeter",
      "StatisticsCollector",
      "bosOf",
      "evaluateModel",
      "importanceSums",
      "mergeStatistics",
      "openStatistics",
      "openTokenizer",
      "plainCompute",
      "textWindows",
      "unusedExpertFindings",
      "wasmCompute",
      "webThreads",
      "writeStatistics",
    ]
  `);
});

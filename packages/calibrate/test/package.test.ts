import * as api from "@requant/calibrate";
import * as node from "@requant/calibrate/node";
import * as webgpu from "@requant/calibrate/webgpu";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/calibrate", () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "EMBEDDING_NAME",
      "EvaluationMeter",
      "StatisticsCollector",
      "bosOf",
      "decoderLogits",
      "evaluateModel",
      "importanceSums",
      "layoutStatistics",
      "memoryStates",
      "mergeStatistics",
      "openDecoder",
      "openStatistics",
      "openTokenizer",
      "referenceCompute",
      "sharedNames",
      "statisticsTensors",
      "textWindows",
      "unreachedExperts",
      "unusedExpertFindings",
      "wasmCompute",
      "webThreads",
      "writeStatistics",
    ]
  `);
});

test("exports of @requant/calibrate/node and @requant/calibrate/webgpu", () => {
  expect(Object.keys(node).sort()).toEqual(["nodeAdapter", "nodeThreads"]);
  expect(Object.keys(webgpu)).toEqual(["webgpuCompute"]);
});

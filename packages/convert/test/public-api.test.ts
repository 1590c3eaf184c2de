import * as convert from "@requant/convert";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/convert", () => {
  expect(Object.keys(convert).sort()).toMatchInlineSnapshot(`
    [
      "bitsPerWeight",
      "codecOf",
      "comparer",
      "defaultBandByteLength",
      "diagnose",
      "diagnoses",
      "editMetadata",
      "examineModel",
      "fidelities",
      "fidelityOf",
      "findModel",
      "findingKinds",
      "hashModel",
      "inspectModel",
      "isLossless",
      "listTargets",
      "makePlan",
      "metadataFromJson",
      "metadataLines",
      "metadataToJson",
      "modelOf",
      "modelWarnings",
      "npyHeader",
      "openModel",
      "parseMetadataAssignment",
      "parsePlan",
      "parseTarget",
      "planConversion",
      "planFakeQuantize",
      "planJobs",
      "planMerge",
      "planReport",
      "planModelSplit",
      "planWarnings",
      "readPlanSource",
      "refuseOverlap",
      "runPlan",
      "tensorStatistics",
      "tensorValues",
      "verifyModels",
      "verifyWarnings",
      "webWorkers",
      "weightFormats",
      "writeNpy",
    ]
  `);
});

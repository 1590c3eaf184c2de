import { expect, test } from "vitest";
import * as models from "../src/index.ts";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/models", () => {
  expect(Object.keys(models).sort()).toMatchInlineSnapshot(`
    [
      "Config",
      "architectureOfConfig",
      "architectureOfGguf",
      "architectures",
      "composeInputs",
      "configTensors",
      "decoderNamed",
      "decoderNames",
      "expertNames",
      "familyShapeFindings",
      "fileTypeNumbers",
      "foldableFamilies",
      "foldedFactors",
      "foldingsOf",
      "ggufFindings",
      "ggufToHf",
      "hasTensorScale",
      "hfSideFiles",
      "hfToGguf",
      "incompleteFindings",
      "integerBuffer",
      "invertRowOrder",
      "isHeldWhole",
      "isLlamaCppFamily",
      "isRowSelection",
      "likeMetadata",
      "likeReference",
      "llamaCppFindings",
      "llamafy",
      "openWeight",
      "orderedRowCount",
      "plannedSources",
      "readHfFiles",
      "readsTensorScales",
      "refuseBrokenConfig",
      "resolveConfig",
      "rowOrderSchema",
      "rowOrigins",
      "sourceFactors",
      "sourceRowOf",
      "staysF32",
      "uncountedLayerFindings",
      "weightInputSchema",
      "weightPlanSchema",
    ]
  `);
});

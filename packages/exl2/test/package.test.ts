import * as api from "@requant/exl2";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/exl2", () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "EXL2_WIDTHS",
      "allocateExl2",
      "exl2Codec",
      "exl2Format",
      "exl2Groups",
      "exl2HeadRecipes",
      "exl2Recipes",
      "measureRecipes",
      "packExl2",
      "parseExl2Config",
      "quantizeExl2",
      "recipeBits",
      "recipeGroups",
      "sampleRows",
      "serializeExl2Config",
      "unpackExl2",
    ]
  `);
});

import * as api from "@requant/float8";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/float8", () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "float8Codec",
      "float8Format",
      "parseFloat8Config",
      "quantizeFloat8",
      "serializeFloat8Config",
    ]
  `);
});

import * as api from "@requant/quanto";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/quanto", () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "parseQuantoConfig",
      "quantoCodec",
      "quantoFormat",
    ]
  `);
});

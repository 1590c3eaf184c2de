import * as api from "@requant/hqq";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/hqq", () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "hqqCodec",
      "hqqFormat",
      "parseHqqConfig",
      "readMeta",
    ]
  `);
});

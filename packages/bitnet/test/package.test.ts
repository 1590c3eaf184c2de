import * as api from "@requant/bitnet";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/bitnet", () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "bitnetCodec",
      "bitnetFormat",
      "parseBitnetConfig",
    ]
  `);
});

import * as api from "@requant/bitsandbytes";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/bitsandbytes", () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "bitsAndBytesCodec",
      "bitsAndBytesFormat",
      "packNf4Rows",
      "packNf4Whole",
      "parseBitsAndBytesConfig",
      "parseQuantState",
      "serializeBitsAndBytesConfig",
    ]
  `);
});

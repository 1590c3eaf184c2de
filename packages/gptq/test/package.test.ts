import * as api from "@requant/gptq";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/gptq", () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "checkLayout",
      "examineGptq",
      "gptqCodec",
      "gptqFormat",
      "gptqMarlinCodec",
      "gptqModuleConfig",
      "parseGptqConfig",
      "quantizeGptq",
      "serializeGptqConfig",
    ]
  `);
});

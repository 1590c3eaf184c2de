import * as api from "@requant/mxfp";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/mxfp", () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "ggmlBlocksFormat",
      "mxfp4Codec",
      "mxfp4Format",
      "nvfp4Codec",
      "nvfp4Format",
      "parseModelOptConfig",
      "quantizeNvfp4",
      "serializeModelOptConfig",
      "tensorScaleOf",
    ]
  `);
});

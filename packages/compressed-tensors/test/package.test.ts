import * as api from "@requant/compressed-tensors";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/compressed-tensors", () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "COMPRESSION_FORMATS",
      "compressedFloat8Codec",
      "compressedTensorsCodec",
      "compressedTensorsFormat",
      "float4Codec",
      "int8Codec",
      "parseCompressedTensorsConfig",
      "quantizeCompressedTensors",
      "serializeCompressedTensorsConfig",
    ]
  `);
});

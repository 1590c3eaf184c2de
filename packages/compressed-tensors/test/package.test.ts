import { readFileSync } from "node:fs";
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

test("depends on core and zod only, and ships one entry", () => {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  expect(manifest).toMatchObject({ sideEffects: false, files: ["dist", "README.md", "LICENSE"] });
  const { dependencies, exports } = manifest as { dependencies: object; exports: object };
  expect(Object.keys(dependencies)).toEqual(["@requant/core", "zod"]);
  expect(Object.keys(exports)).toEqual([".", "./package.json"]);
});

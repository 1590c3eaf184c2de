import * as api from "@requant/awq";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/awq", () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "awqCodec",
      "awqFormat",
      "awqQuantizesModule",
      "awqVersionOf",
      "clippedWeights",
      "parseAwqConfig",
      "quantizeAwq",
      "searchClips",
      "searchScales",
      "serializeAwqConfig",
    ]
  `);
});

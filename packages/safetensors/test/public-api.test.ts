import { expect, it } from "vitest";
import * as api from "../src/index.ts";

it("exports these names", () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "dtypeBits",
      "dtypes",
      "layoutSafetensors",
      "officialOrder",
      "openSafetensors",
      "parseHeader",
      "parseShardIndex",
      "planShards",
      "readHeader",
      "serializeShardIndex",
      "shardName",
      "writeSafetensors",
    ]
  `);
});

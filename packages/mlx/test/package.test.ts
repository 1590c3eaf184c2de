import * as api from "@requant/mlx";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/mlx", () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "mlxCodec",
      "mlxFormat",
      "parseMlxConfig",
      "quantizeMlx",
      "serializeMlxConfig",
    ]
  `);
});

import * as api from "@requant/calibration-text";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/calibration-text", () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "calibrationText",
      "passages",
    ]
  `);
});

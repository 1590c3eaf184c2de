import * as api from "@requant/fleet";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/fleet", () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "fleetStatus",
      "removePlan",
      "submitPlan",
      "workOnParts",
    ]
  `);
});

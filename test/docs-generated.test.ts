/** Generated parts of the site are current. The oracles are the declarations that `--help` prints, and the drawings. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { cliReference, path } from "../scripts/cli-reference.ts";
import { calibrationExample, conceptPictures, folder } from "../scripts/concept-pictures.ts";

it("docs/reference/cli.md is current (pnpm run cli-reference writes it)", async () => {
  const page = readFileSync(path, "utf8");
  expect(page).toContain("| `--to <target>` |");
  expect(page).toBe(await cliReference());
});

it("docs/pictures/concepts is current (pnpm run concept-pictures draws it)", () => {
  const drawn = conceptPictures();
  expect(readdirSync(folder).sort()).toEqual([...drawn.keys()].sort());
  for (const [name, picture] of drawn) expect(readFileSync(join(folder, name), "utf8")).toBe(picture);
});

it("the text beside the picture of calibration has its numbers", () => {
  const page = readFileSync(join(folder, "../../concepts/calibration.md"), "utf8");
  const { weights, inputs, rows } = calibrationExample();
  expect(page).toContain(`Two weights, ${weights.join(" and ")}, meet the inputs ${inputs.join(" and ")}.`);
  const sums = rows.map(({ codes }) => (codes[0] * inputs[0] + codes[1] * inputs[1]).toFixed(2));
  expect(sums).toEqual(["1.03", "0.80", "1.00"]);
  const [, alt = ""] = /alt="(Three bars[^"]*)"/.exec(page) ?? [];
  for (const sum of sums) expect(alt).toContain(sum);
});

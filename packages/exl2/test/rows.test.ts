/** Which layers EXL2 can store. Oracle: the layout fills rows up to whole 32s, so other numbers of rows would be lost. */
import { expect, it } from "vitest";
import { exl2Format } from "../src/format.ts";

it.each([
  ["model.layers.0.mlp.experts.0.up_proj", /EXL2 packs rows in 32s; 48 are not/],
  ["lm_head", /no mix of widths was chosen/],
])("%s with 48 rows", (module, reason) => {
  const offers = exl2Format.target?.offers({ module, rows: 48, columns: 64, views: [] }, {}, undefined);
  expect(offers).toMatchObject({ reason: expect.stringMatching(reason) });
});

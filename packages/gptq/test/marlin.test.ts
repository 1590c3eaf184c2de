import { F16 } from "@requant/core";
import { allocateParts } from "@requant/core/format";
import { gptqMarlinCodec } from "@requant/gptq";
import { expect, test } from "vitest";
import { linearCases, sha256, vectorFolder } from "../../../fixtures/linear-cases.ts";

/** AutoAWQ packs Marlin with the same tables as AutoGPTQ, which calls the two tensors B and s. */
const cases = linearCases(vectorFolder(import.meta.url), "manifest.json", /^marlin$/);

test.each(cases.map((entry) => ({ name: entry.file, entry })))("$name", ({ entry: { facts, tensors } }) => {
  const [codes, scales] = [tensors.get("qweight"), tensors.get("scales")];
  if (codes === undefined || scales === undefined) throw new Error("a tensor is missing");
  const parts = [
    { suffix: "B", ...codes },
    { suffix: "s", ...scales },
  ];
  const bytes = { B: codes.bytes, s: scales.bytes };
  const layout = gptqMarlinCodec.readLayout(parts, { groupSize: Number(facts["group_size"]) });
  expect(layout).toMatchObject({ rows: facts["out_features"], columns: facts["in_features"] });
  const weight = gptqMarlinCodec.open(layout, bytes);
  const values = new Float32Array(layout.rows * layout.columns);
  weight.dequantize(0, layout.rows, values);
  const halves = new Uint8Array(2 * values.length);
  F16.quantize?.(values, layout.columns, halves);
  expect(sha256(halves)).toBe(facts["ref_f16_sha256"]);

  const written = allocateParts(gptqMarlinCodec.parts(layout));
  for (let row = 0; row < layout.rows; row += 64) {
    gptqMarlinCodec.fromView(layout, weight.toView(row, row + 64), row, written);
  }
  expect(written).toEqual(bytes);
});

import { F16 } from "@requant/core";
import { allocateParts, type LinearPart, type PartBytes } from "@requant/core/format";
import { type GptqCheckpointFormat, type GptqLayout, gptqCodec } from "@requant/gptq";
import { describe, expect, test } from "vitest";
import {
  goldenLinear,
  type LinearCase,
  linearCases,
  type StoredTensor,
  sha256,
  vectorFolder,
} from "../../../fixtures/linear-cases.ts";

/** The parts of a case, with one of its stored forms of qzeros under the format's own name. */
function partsOf(tensors: ReadonlyMap<string, StoredTensor>, zeros: string): [LinearPart[], PartBytes] {
  const named: [string, StoredTensor | undefined][] = [
    ["qweight", tensors.get("qweight")],
    ["qzeros", tensors.get(zeros)],
    ["scales", tensors.get("scales")],
    ["g_idx", tensors.get("g_idx")],
  ];
  const found = named.filter((entry): entry is [string, StoredTensor] => entry[1] !== undefined);
  return [
    found.map(([suffix, { encoding, shape }]) => ({ suffix, encoding, shape })),
    Object.fromEntries(found.map(([suffix, { bytes }]) => [suffix, bytes])),
  ];
}

interface Variant {
  readonly zeros: string;
  readonly format: GptqCheckpointFormat;
  readonly quantizer: readonly string[];
}

/** The stored forms of zero points that a case holds, and who would have written them. */
function variants({ facts, tensors }: LinearCase): Variant[] {
  const gptqmodel = ["gptqmodel:7.3.4"];
  if (tensors.has("qzeros")) {
    const format = facts["checkpoint_format"] as GptqCheckpointFormat;
    return [{ zeros: "qzeros", format, quantizer: gptqmodel }];
  }
  const all: Variant[] = [
    { zeros: "qzeros_v2", format: "gptq_v2", quantizer: gptqmodel },
    { zeros: "qzeros_v1", format: "gptq", quantizer: gptqmodel },
  ];
  // without a zero point of 0, who wrote a v1 file makes no difference
  if (facts["v1_fieldwise_plus1_equals_v2"] === true)
    all.push({ zeros: "qzeros_v1", format: "gptq", quantizer: [] });
  return all;
}

function readCase(
  { facts, tensors }: LinearCase,
  { zeros, format, quantizer }: Variant,
): [GptqLayout, PartBytes] {
  const [parts, bytes] = partsOf(tensors, zeros);
  const claims = {
    groupSize: Number(facts["group_size"]),
    sym: facts["sym"] === true,
    checkpointFormat: format,
    quantizer,
  };
  return [gptqCodec.readLayout(parts, claims), bytes];
}

function suite(folder: string): void {
  const cases = linearCases(folder, "manifest.json", /^gptq(-edge)?$/).flatMap((entry) =>
    variants(entry).map((variant) => ({
      name: `${entry.file} ${variant.zeros} ${variant.quantizer}`,
      entry,
      variant,
    })),
  );

  test.each(cases)("$name", ({ entry, variant }) => {
    const { facts } = entry;
    const [layout, bytes] = readCase(entry, variant);
    expect(layout).toMatchObject({
      rows: facts["out_features"],
      columns: facts["in_features"],
      bits: facts["bits"],
    });

    const weight = gptqCodec.open(layout, bytes);
    const values = new Float32Array(layout.rows * layout.columns);
    weight.dequantize(0, layout.rows, values);
    if (facts["ref_f32_sha256"] !== undefined) expect(sha256(values)).toBe(facts["ref_f32_sha256"]);
    const halves = new Uint8Array(2 * values.length);
    F16.quantize?.(values, layout.columns, halves);
    expect(sha256(halves)).toBe(facts["ref_f16_sha256"]);

    // bands that begin and end anywhere give the same values
    const band = new Float32Array(5 * layout.columns);
    weight.dequantize(33, 38, band);
    expect(band).toEqual(values.subarray(33 * layout.columns, 38 * layout.columns));

    const measured = gptqCodec.measure(layout, bytes);
    if (facts["min_zero_point"] !== undefined) expect(measured.minZero).toBe(facts["min_zero_point"]);
    if (facts["sym"] === true) expect(measured.symmetric).toBe(true);

    // unpack → pack gives the stored bytes back, written in bands
    const written = allocateParts(gptqCodec.parts(layout));
    const step = gptqCodec.rowMultiple(layout);
    for (let row = 0; row < layout.rows; row += step) {
      gptqCodec.fromView(layout, weight.toView(row, Math.min(layout.rows, row + step)), row, written);
    }
    expect(Object.keys(written)).toEqual(gptqCodec.suffixes);
    for (const suffix of gptqCodec.suffixes) expect(written[suffix], suffix).toEqual(bytes[suffix]);
  });
}

describe("layers packed by GPTQModel, in this package", () => suite(vectorFolder(import.meta.url)));

const golden = goldenLinear();
describe.skipIf(golden === undefined)("the whole golden set (skipped: REQUANT_GOLDEN is not set)", () => {
  if (golden !== undefined) suite(golden);
});

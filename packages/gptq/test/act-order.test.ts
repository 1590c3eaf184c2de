/** Groups by the order of visits. Oracle: the order that follows from the inputs, and GPTQ's meaning of `g_idx` and `desc_act`. */
import { allocateParts, parseWords } from "@requant/core/format";
import { columnImportance, solveFactor, solvePacking } from "@requant/core/solve";
import { dequantizeView, isLevelView } from "@requant/core/view";
import { gptqFormat } from "@requant/gptq";
import { describe, expect, it } from "vitest";

const [rows, columns] = [32, 64];
const { target } = gptqFormat;
if (target === undefined) throw new Error("GPTQ is no target.");
const settings = (text: string) => target.settle?.(parseWords(target.words, text)) ?? {};

/** The later a column, the larger its inputs: it is visited the earlier. */
const moments = new Float32Array(columns * columns);
for (let i = 0; i < columns; i++) {
  for (let j = 0; j < columns; j++) moments[i * columns + j] = 0.3 * Math.sqrt((i + 1) * (j + 1));
  moments[i * (columns + 1)]! = i + 1;
}
const statistics = { columns, tokens: 1, moments, meanAbs: new Float32Array(columns) };
const guide = {
  factor: solveFactor(statistics, { order: "act" }),
  importance: columnImportance(statistics),
};

describe("the word act", () => {
  it("groups columns as they are visited, in g_idx and in the configuration", () => {
    const asked = settings("4bit-32g-sym-act");
    const request = { module: "m.q_proj", rows, columns, views: [] };
    const arranged = target.arrange?.([request], asked, undefined)?.settings ?? asked;
    const offers = target.offers(request, arranged, undefined);
    if ("reason" in offers || offers[0] === undefined) throw new Error("Nothing is offered.");
    const { layout } = offers[0];
    const encoder = target.encoder(layout);
    const { floats } = encoder;
    if (floats.kind !== "view") throw new Error("GPTQ packs views.");
    const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.7));
    const view = solvePacking({ ...encoder, floats }, values, rows, guide);
    const bytes = allocateParts(encoder.parts);
    encoder.fromView(view, 0, bytes);

    const stored = bytes["g_idx"];
    if (stored === undefined) throw new Error("There is no g_idx.");
    const groups = [...new Int32Array(stored.buffer, stored.byteOffset, columns)];
    expect(groups).toEqual(Array.from({ length: columns }, (_, column) => (column >= 32 ? 0 : 1)));
    const packed = [{ module: request.module, layout }];
    const { config } = target.config({ settings: arranged, packed, left: [], sourceConfig: undefined });
    expect(config).toMatchObject({ desc_act: true, group_size: 32 });
    const found = new Float32Array(values.length);
    encoder.open(bytes).dequantize(0, rows, found);
    const expected = new Float32Array(values.length);
    if (isLevelView(view)) throw new Error("GPTQ's views are integers.");
    dequantizeView(view, expected);
    expect(found).toEqual(expected);
  });

  it("is refused for Marlin, whose groups are consecutive", () => {
    expect(() => settings("4bit-128g-sym-marlin-act")).toThrow(/Marlin groups consecutive columns/);
  });
});

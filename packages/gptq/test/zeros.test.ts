import { type PartBytes, readWords } from "@requant/core/format";
import {
  examineGptq,
  type GptqExamination,
  type GptqLayout,
  gptqCodec,
  parseGptqConfig,
  type ZeroStorage,
} from "@requant/gptq";
import { describe, expect, test } from "vitest";
import { linearCases, vectorFolder } from "../../../fixtures/linear-cases.ts";

/** Layers with zero points of 0, stored by GPTQModel in three ways: as v2, as v1, and as v1 field by field. */
const cases = linearCases(vectorFolder(import.meta.url), "manifest.json", /^gptq-edge$/);

function open(entry: (typeof cases)[number], stored: string, zeros: ZeroStorage): [GptqLayout, PartBytes] {
  const { tensors, facts } = entry;
  const named = [
    ["qweight", "qweight"],
    [stored, "qzeros"],
    ["scales", "scales"],
    ["g_idx", "g_idx"],
  ] as const;
  const found = named.map(([name, suffix]) => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new Error(`${name} is missing`);
    return { suffix, ...tensor };
  });
  const claims = {
    groupSize: Number(facts["group_size"]),
    sym: false,
    checkpointFormat: "gptq",
    quantizer: [],
  } as const;
  const layout = gptqCodec.readLayout(found, claims);
  return [{ ...layout, zeros }, Object.fromEntries(found.map(({ suffix, bytes }) => [suffix, bytes]))];
}

const zerosOf = (layout: GptqLayout, bytes: PartBytes): Int16Array =>
  gptqCodec.open(layout, bytes).toView(0, layout.rows).zeros;

const messagesOf = ({ findings }: Pick<GptqExamination, "findings">): string[] =>
  findings.map(({ message }) => message);

describe.each(cases.map((entry) => ({ name: entry.file, entry })))("$name", ({ entry }) => {
  const bits = Number(entry.facts["bits"]);
  const truth = zerosOf(...open(entry, "qzeros_v2", "stored"));
  const counts = entry.facts["zero_counts"] as Record<string, number>;

  test("v2 holds the zero points themselves", () => {
    expect(truth.filter((zero) => zero === 0).length).toBe(counts["zero==0"]);
    expect(truth.filter((zero) => zero === 2 ** bits - 1).length).toBe(counts["zero==maxq"]);
  });

  test("GPTQModel's v1 gives them back when read as it reads them", () => {
    const storage = bits === 3 ? "minus-one-wrapped" : "minus-one-word";
    expect(zerosOf(...open(entry, "qzeros_v1", storage))).toEqual(truth);
  });

  test("field-wise v1 gives them back field by field", () => {
    expect(zerosOf(...open(entry, "qzeros_v1_fieldwise", "minus-one-wrapped"))).toEqual(truth);
  });

  test("read as AutoGPTQ and exllamav2 do, a zero point of 0 becomes 2^b", () => {
    const zeros = zerosOf(...open(entry, "qzeros_v1_fieldwise", "minus-one"));
    expect(zeros).toEqual(truth.map((zero) => (zero === 0 ? 2 ** bits : zero)));
  });

  test("the ambiguity is reported, with the choice that was made", () => {
    const config = parseGptqConfig({ bits, group_size: 64, sym: false, checkpoint_format: "gptq" });
    const unknown = examineGptq(...open(entry, "qzeros_v1_fieldwise", "minus-one"), config);
    expect(unknown.ambiguousZeros).toBe(counts["zero==0"]);
    expect(messagesOf(unknown).join()).toMatch(`they are read as ${2 ** bits}, as AutoGPTQ and exllamav2`);
    const stored = examineGptq(...open(entry, "qzeros_v2", "stored"), {
      ...config,
      checkpointFormat: "gptq_v2",
    });
    expect(stored.ambiguousZeros).toBe(0);
    expect(stored.findings).toEqual([]);
  });
});

describe("the convention of symmetric files shows in the tensors", () => {
  const entry = linearCases(vectorFolder(import.meta.url), "manifest.json", /^gptq$/).find(
    ({ file }) => file === "b4_g128_sym_act.safetensors",
  );
  if (entry === undefined) throw new Error("the vector is missing");
  const config = parseGptqConfig({ bits: 4, group_size: 128, sym: true, desc_act: true });

  test.each([
    ["qzeros_v1", "minus-one", "v1", 0x77777777, []],
    ["qzeros_v2", "stored", "v2", 0x88888888, []],
    ["qzeros_v2", "minus-one", "v2", 0x88888888, [/all zero points are those of symmetric v2/]],
    ["qzeros_v1", "stored", "v1", 0x77777777, [/all zero points are those of symmetric v1/]],
  ] as const)("%s read as %s is %s", (stored, claimed, convention, word, patterns) => {
    const [layout, bytes] = open(entry, stored, claimed);
    expect(readWords(bytes["qzeros"] ?? new Uint8Array(0), 32)[0]).toBe(word);
    const found = examineGptq(layout, bytes, config);
    expect(found).toMatchObject({ zeroConvention: convention, symmetric: true, actOrder: "real" });
    expect(found.facts.minZero).toBe(8);
    expect(found.findings.length).toBe(patterns.length);
    patterns.forEach((pattern, i) => {
      expect(messagesOf(found)[i]).toMatch(pattern);
    });
  });

  test("claims that the tensors contradict are reported", () => {
    const [layout, bytes] = open(entry, "qzeros_v1", "minus-one");
    const found = examineGptq(layout, bytes, { ...config, bits: 8, descAct: false });
    expect(messagesOf(found)).toEqual([
      "The configuration says 8 bits; the tensors hold 4.",
      "The configuration says no act-order, but g_idx spreads columns over groups.",
    ]);
  });
});

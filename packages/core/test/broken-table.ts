/** Broken toy formats, each with the case of the conformance suite that must fail for it. */
import { toy4Format } from "../../../fixtures/toy-format/src/index.ts";
import { LEVELS } from "../../../fixtures/toy-format/src/levels.ts";
import { UsageError } from "../src/errors.ts";
import { findBySuffixes, type PartBytes } from "../src/format/index.ts";
import { E4M3_VALUES } from "../src/numeric/index.ts";
import { isLevelView } from "../src/view/index.ts";
import {
  type Broken,
  encoder,
  facts,
  found,
  opened,
  promising,
  silent,
  target,
  toy,
  vector,
  withoutScales,
  wordSpec,
  words,
} from "./broken-formats.ts";

function refuse(): never {
  throw new UsageError("No.");
}

/** A loop whose steps are counted. */
function slowly(steps: number): number {
  let sum = 0;
  for (let step = 0; step < steps; step++) sum += step & 1;
  return sum;
}

export const broken: readonly (readonly [what: string, failing: string, broken: Broken])[] = [
  [
    "a largest code that leaves most codes out",
    "a solved weight is stored, and leaves less error in the layer's output than a rounded one",
    encoder((made) => ({
      ...made,
      floats: made.floats.kind === "view" ? { ...made.floats, maxCode: 1 } : made.floats,
    })),
  ],
  ["no vectors", "there are vectors", { ...toy, vectors: [] }],
  ["two vectors of one name", "there are vectors", { ...toy, vectors: [vector, vector] }],
  [
    "a format that knows no module",
    "modules of the format are recognised, float modules are not",
    { ...toy, format: { ...toy4Format, find: () => [] } },
  ],
  [
    "a format that takes float weights for its own",
    "modules of the format are recognised, float modules are not",
    {
      ...toy,
      format: {
        ...toy4Format,
        find: (tensors) => findBySuffixes(tensors, ["weight", "bias", "toy_codes", "toy_scales"], () => true),
      },
    },
  ],
  [
    "a wrong value",
    "golden values",
    opened((weight) => ({
      ...weight,
      dequantize(start, end, out) {
        weight.dequantize(start, end, out);
        if (start === 0 && out.length > 0) out[0] = 7;
      },
    })),
  ],
  [
    "a vector that says no values",
    "golden values",
    { ...toy, vectors: [{ ...vector, expected: { rows: 64, columns: 48 } }] },
  ],
  [
    "a hash of other values",
    "golden values",
    { ...toy, vectors: [{ ...vector, expected: { ...vector.expected, valuesSha256: "00" } }] },
  ],
  [
    "a weight that writes into the file's bytes",
    "golden values",
    opened((weight, bytes) => {
      const own = bytes["toy_codes"]?.[0] ?? 0;
      return {
        ...weight,
        toView(start, end, part) {
          bytes["toy_codes"]?.fill(own ^ 1, 0, 1);
          return weight.toView(start, end, part);
        },
      };
    }),
  ],
  [
    "rows that depend on the band",
    "rows do not depend on how they are read",
    opened((weight) => ({
      ...weight,
      dequantize(start, end, out) {
        weight.dequantize(start, end, out);
        if (start > 0) out.fill(0);
      },
    })),
  ],
  [
    "columns that are those of another part",
    "rows do not depend on how they are read",
    opened((weight) => ({
      ...weight,
      toView: (start, end, part) =>
        weight.toView(
          start,
          end,
          part && { ...part, columnStart: 0, columnEnd: part.codes.length / (end - start) },
        ),
    })),
  ],
  [
    "a view that says other values than the rows",
    "rows are what the view says",
    opened((weight) => ({
      ...weight,
      toView(start, end, part) {
        const view = weight.toView(start, end, part);
        return { ...view, scales: view.scales.map((scale) => 2 * scale) };
      },
    })),
  ],
  ["codes beyond the facts", "facts hold for the view", facts({ maxCode: 15 })],
  ["groups that are not there", "facts hold for the view", facts({ groupSize: 32 })],
  ["zero points beyond the facts", "facts hold for the view", facts({ minZero: 65 })],
  [
    "facts that are read from the codes",
    "facts hold for the view",
    found((weight) => ({
      ...weight,
      examine: (bytes) => (bytes["toy_codes"] === undefined ? weight.examine({}) : weight.examine(bytes)),
    })),
  ],
  [
    "bytes that are read from the start of their memory",
    "bytes that begin at an odd address read the same",
    found((weight) => ({
      ...weight,
      open: (bytes, known) =>
        weight.open(
          Object.fromEntries(
            Object.entries(bytes).map(([name, part]) => [name, new Uint8Array(part.buffer, 0, part.length)]),
          ),
          known,
        ),
    })),
  ],
  [
    "rows past the end",
    "rows that are not there are refused",
    opened((weight) => ({
      ...weight,
      dequantize: (start, end, out) => {
        if (end <= weight.rows) weight.dequantize(start, end, out);
      },
    })),
  ],
  [
    "bytes that are filled up with zeros",
    "cut parts are refused",
    found((weight) => {
      const filled = (bytes: PartBytes): PartBytes => {
        const codes = new Uint8Array(64 * 24);
        codes.set(bytes["toy_codes"]?.subarray(0, codes.length) ?? []);
        return { ...bytes, toy_codes: codes };
      };
      return {
        ...weight,
        examine: (bytes) => weight.examine(filled(bytes)),
        open: (bytes) => weight.open(filled(bytes)),
      };
    }),
  ],
  ["ones in place of a part that is absent, with a warning", "cut parts are refused", withoutScales()],
  [
    "memory for whatever a shape says",
    "hostile shapes are refused",
    found((weight) => {
      new Float32Array(weight.rows * weight.columns);
      return weight;
    }),
  ],
  [
    "a configuration whose fields are taken for words",
    "hostile configurations end in a refusal or a weight",
    {
      ...toy,
      format: {
        ...toy4Format,
        reader(config, hints, place) {
          const { scales } = config as { scales: string };
          scales.toUpperCase();
          return toy4Format.reader(config, hints, place);
        },
      },
    },
  ],
  [
    "a layout that nobody checks",
    "hostile layouts are refused",
    target((own) => ({ encoder: (layout) => own.encoder({ ...layout, rows: 64 }) })),
  ],
  [
    "other bytes than those that were read",
    "packing what was unpacked gives the same bytes",
    encoder((own) => ({
      fromView(view, row, bytes) {
        if (isLevelView(view)) return;
        own.fromView({ ...view, scales: view.scales.map((scale) => scale / 2) }, row, bytes);
      },
    })),
  ],
  [
    "a view that is refused without a reason for plans",
    "packing what was unpacked gives the same bytes",
    silent(encoder(() => ({ fromView: refuse }))),
  ],
  [
    "a target that keeps nothing and does not say why",
    "offers that promise every value keep every value",
    silent(toy),
  ],
  ["a promise that is not kept", "offers that promise every value keep every value", promising()],
  [
    "a promise about the levels of a table that is not kept",
    "offers that promise every value keep every value",
    promising({ codes: { kind: "table", name: "E4M3", levels: E4M3_VALUES } }),
  ],
  [
    "a promise about a table that no view has",
    "offers that promise every value keep every value",
    silent(promising({ codes: { kind: "table", name: "toy4", levels: Float32Array.from(LEVELS) } })),
  ],
  [
    "a packed weight with other values than its view",
    "a packed weight has the values of the view it was packed from",
    encoder((own) => ({
      open(bytes) {
        const weight = own.open(bytes);
        return { ...weight, dequantize: (_start, _end, out) => void out.fill(1) };
      },
    })),
  ],
  [
    "a configuration of another method",
    "the configuration that is written is read back",
    target(() => ({ config: () => ({ config: { quant_method: "toy5" }, files: [], findings: [] }) })),
  ],
  [
    "a key that is written and not known",
    "the configuration that is written is read back",
    { ...toy, format: { ...toy4Format, configKeys: ["quant_method"] } },
  ],
  [
    "a word that its own number does not parse",
    "every word parses, is spelled, and parses again",
    words([wordSpec("bits", { kind: "number", suffix: "bit", least: 2.5, most: 4 })], "4bit"),
  ],
  [
    "a word of two settings",
    "every example parses, and no word means two things",
    words(
      [
        wordSpec("bits", { kind: "number", suffix: "g", least: 2, most: 8 }),
        wordSpec("groupSize", { kind: "number", suffix: "g", least: 2, most: 8 }),
      ],
      "4g",
    ),
  ],
  [
    "a number past the end that another setting takes",
    "words out of range are refused",
    words(
      [
        wordSpec("bits", { kind: "number", suffix: "g", least: 2, most: 8 }),
        wordSpec("groupSize", { kind: "number", suffix: "g", least: 9, most: 99 }),
      ],
      "4g",
    ),
  ],
  [
    "a weight that is decoded whole for each row",
    "one row takes the steps of one row",
    opened((weight) => ({
      ...weight,
      dequantize(start, end, out) {
        slowly(weight.rows * weight.columns);
        weight.dequantize(start, end, out);
      },
    })),
  ],
  [
    "work that grows with the square of the rows",
    "four times the rows, or columns, take four times the steps",
    encoder((own) => ({
      open(bytes) {
        const weight = own.open(bytes);
        slowly(weight.rows ** 2 * 16);
        return weight;
      },
    })),
  ],
];

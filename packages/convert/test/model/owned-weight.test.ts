/**
 * A packed weight that has the name of one of its parts, as formats of few-bit floats and MLX store it. Oracle: the values
 * 2 × code, of codes that are written down here.
 */
import { findBySuffixes, type WeightFormat } from "@requant/core/format";
import { describe, expect, it } from "vitest";
import { detectLinear } from "../../src/model/detect.ts";
import { type ModelTensor, modelOf } from "../../src/model/model.ts";

const CODES = Uint8Array.of(1, 2, 3, 4, 5, 6);
const NAME = "layers.0.q_proj.weight";

const doubled: WeightFormat = {
  name: "doubled",
  methods: [],
  configKeys: [],
  find: (tensors) => findBySuffixes(tensors, ["weight", "scale"], (parts) => parts.length === 2),
  reader: () => ({
    claims: {},
    claimsModule: () => true,
    openable: () => ({
      label: "doubled",
      rows: 2,
      columns: 3,
      parameterSuffixes: ["scale"],
      examine() {
        throw new Error("not asked for");
      },
      open: ({ weight = new Uint8Array(0), scale = new Uint8Array(0) }) => ({
        rows: 2,
        columns: 3,
        columnMultiple: 1,
        dequantize(start, end, out) {
          out.set(Array.from(weight.subarray(3 * start, 3 * end), (code) => code * (scale[0] ?? 0)));
        },
        toView() {
          throw new Error("not asked for");
        },
      }),
    }),
  }),
};

const files: ReadonlyMap<string, Uint8Array> = new Map([
  ["layers.0.norm.weight", new Uint8Array(4)],
  [NAME, CODES],
  ["layers.0.q_proj.scale", Uint8Array.of(2)],
]);

async function model() {
  const stored = [...files].map(
    ([name, bytes]): ModelTensor => ({
      name,
      encoding: "U8",
      shape: name === NAME ? [2, 3] : [bytes.byteLength],
      byteOffset: 0,
      byteLength: bytes.byteLength,
      file: "m",
    }),
  );
  const { tensors, weights, claims } = await detectLinear(stored, undefined, {
    formats: [doubled],
    hints: { config: undefined, shapeOf: () => undefined, read: async () => new Uint8Array(0) },
    path: "folder",
  });
  return modelOf({
    name: "m",
    folder: "folder",
    format: "doubled",
    variant: "test",
    naming: "hf",
    architecture: undefined,
    files: [],
    tensors,
    findings: [],
    linear: { storedTensors: stored, weights, claims },
    gguf: undefined,
    hf: undefined,
    read: async ({ name }, start, end) => (files.get(name) ?? new Uint8Array(0)).slice(start, end),
    openFile: async () => {
      throw new Error("not asked for");
    },
    close: async () => {},
  });
}

describe("a packed weight with the name of one of its parts", () => {
  it("stands once in the list of tensors, in place of its parts", async () => {
    const { tensors } = await model();
    expect(tensors.map(({ name, encoding }) => [name, encoding])).toEqual([
      ["layers.0.norm.weight", "U8"],
      [NAME, "doubled"],
    ]);
  });

  it("is read as numbers as a whole, and as bytes by its parts", async () => {
    const opened = await model();
    const out = new Float32Array(6);
    await opened.weight(NAME).readRows(0, 2, out);
    expect([...out]).toEqual([2, 4, 6, 8, 10, 12]);
    expect(await opened.readBytes(NAME, 1, 4)).toEqual(CODES.slice(1, 4));
  });
});

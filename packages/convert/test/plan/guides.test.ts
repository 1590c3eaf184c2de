/**
 * Which entry of statistics, or of an importance matrix, a weight of a packed target is solved with. The oracle are the numbers of
 * the model: the weight of that name in a GGUF of it has the rows of the packed weight.
 */
import { memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { hfToGguf } from "@requant/models";
import { describe, expect, it } from "vitest";
import { archModels } from "../../../../fixtures/arch-models.ts";
import {
  type Model,
  makePlan,
  openModel,
  openStatisticsFile,
  parseTarget,
  planConversion,
  readPlanSource,
  runPlan,
  type StatisticsIndex,
} from "../../src/index.ts";
import { parseEntry } from "../../src/model/guide-entry.ts";
import { guideNames, isGuided } from "../../src/plan/way.ts";
import { layerInputs, statisticsStore } from "../calibration-inputs.ts";
import { modelOpener } from "../opened.ts";

const openAt = modelOpener();
const open = (path: string): Promise<Model> => openAt({ store: directoryStore(path) });

/** Every matrix of a GGUF of the model has statistics. */
async function completeIndex(model: Model): Promise<StatisticsIndex> {
  const files = await model.hf?.sideFiles();
  if (files === undefined) throw new Error("no side files");
  const { tensors } = hfToGguf(files, { fileType: "F32", tokenizer: false });
  const entries = tensors
    .filter(({ name, shape }) => shape.length > 1 && name.endsWith(".weight"))
    .map(({ name, shape }) => {
      const tokens = Array.from({ length: shape.length > 2 ? (shape[0] ?? 0) : 1 }, () => 1);
      return [name, { columns: shape.at(-1) ?? 0, tokens }] as const;
    });
  return { entries: new Map(entries), shared: new Map() };
}

async function rowsOf(model: Model, name: string, matrix?: number): Promise<Set<string>> {
  const { shape } = model.tensor(name);
  const columns = shape.at(-1) ?? 0;
  const all = shape.slice(0, -1).reduce((product, size) => product * size, 1);
  const perMatrix = matrix === undefined ? all : (shape.at(-2) ?? 0);
  const start = (matrix ?? 0) * perMatrix;
  const values = new Float32Array(perMatrix * columns);
  await model.weight(name).readRows(start, start + perMatrix, values);
  const rows = new Set<string>();
  for (let at = 0; at < values.length; at += columns) rows.add(values.subarray(at, at + columns).join());
  return rows;
}

/** What a GGUF of a family stores in another form: with its columns in another order, or as heads apart. */
const OTHER_FORM: Readonly<Record<string, string>> = {
  deepseek2: "kv_b_proj",
  deepseek3: "kv_b_proj",
  qwen35: "out_proj",
  qwen35moe: "out_proj",
};

/** Families whose layers no format of linear weights packs: transposed, or all in stacks that are packed already. */
const NOT_PACKED: readonly string[] = ["gpt2", "gptoss"];

const packable = archModels.filter(
  ({ name }) => !NOT_PACKED.some((one) => name.replace("-", "").startsWith(one)),
);

describe.each(packable.map((model) => [model.name, model] as const))("%s", (family, { path }) => {
  it("names the entry whose weight has the same rows", async () => {
    const model = await open(path);
    const statistics = await completeIndex(model);
    const target = parseTarget("gptq:4bit-32g-sym");
    const plan = makePlan(await readPlanSource(model), target, { statistics });
    const guided = plan.tensors.flatMap((tensor) => {
      const { statistics: entry } = guideNames(tensor);
      return entry === undefined ? [] : [{ tensor, entry }];
    });
    const output = memoryStore({ name: "gguf" });
    const options = { outputName: "f32.gguf" };
    await runPlan(await planConversion(model, parseTarget("gguf:f32"), options), model, output);
    const gguf = await openModel({ store: output, file: "f32.gguf" });
    for (const { tensor, entry } of guided) {
      const { name, matrix } = parseEntry(entry);
      const there = await rowsOf(gguf, name, matrix);
      const [input] = tensor.inputs;
      if (input === undefined || !("tensor" in input)) throw new Error("not one stored tensor");
      const columns = tensor.shape.at(-1) ?? 0;
      const row = new Float32Array(columns);
      const first = input.rows?.[0] ?? 0;
      await model.weight(input.tensor).readRows(first, first + 1, row);
      expect(there.has(row.join()), `${tensor.name} in ${entry}`).toBe(true);
    }
    await gguf.close();
    const unguided = plan.tensors.filter((tensor) => tensor.linear !== undefined && !isGuided(tensor));
    expect(unguided.map(({ name }) => name.split(".").at(-2))).toEqual(
      unguided.map(() => OTHER_FORM[family]),
    );
  });
});

describe("entries that do not fit", () => {
  const hf = `${import.meta.dirname}/../../../../fixtures/kjv/hf`;
  const target = parseTarget("gptq:4bit-128g-sym");

  async function planned(statistics: StatisticsIndex, to = target) {
    return planConversion(await open(hf), to, { statistics });
  }

  const index = (name: string, columns: number, tokens: readonly number[] = [1]): StatisticsIndex => ({
    entries: new Map([[name, { columns, tokens }]]),
    shared: new Map(),
  });

  it("another number of columns is refused with the names and both numbers", async () => {
    const refused = planned(index("blk.1.attn_output.weight", 128));
    await expect(refused).rejects.toThrow(
      "The calibration statistics of blk.1.attn_output.weight have 128 columns, and model.layers.1.self_attn.o_proj.weight has 256.",
    );
    await expect(planned(index("blk.1.attn_output.weight", 128), parseTarget("gguf:q4_0"))).rejects.toThrow(
      "The calibration statistics of blk.1.attn_output.weight have 128 columns, and blk.1.attn_output.weight has 256.",
    );
  });

  it("statistics of another model are refused", async () => {
    const message =
      "None of the 1 entries of the calibration statistics belongs to a weight of the model; they are enc.0.q.weight.";
    await expect(planned(index("enc.0.q.weight", 256))).rejects.toThrow(message);
    await expect(planned(index("enc.0.q.weight", 256), parseTarget("gguf:q4_k_m"))).rejects.toThrow(message);
  });

  it("entries and weights that are not used are named", async () => {
    const statistics: StatisticsIndex = {
      entries: new Map([
        ["blk.0.attn_q.weight", { columns: 256, tokens: [9] }],
        ["blk.7.attn_q.weight", { columns: 256, tokens: [9] }],
      ]),
      shared: new Map(),
    };
    const { findings } = await planned(statistics);
    expect(findings.filter(({ severity }) => severity === "warning").map(({ message }) => message)).toEqual([
      "1 of 2 entries of the calibration statistics belongs to no weight of the model: blk.7.attn_q.weight.",
      "The calibration statistics have no entry for 20 weights that get new codes, model.layers.0.mlp.down_proj.weight first: they are rounded.",
      "The calibration statistics have fewer tokens than columns for 1 weight, model.layers.0.self_attn.q_proj.weight: 9 of at least 256.",
    ]);
  });

  it.each(["fp8:block-128", "nvfp4:modelopt", "bnb:nf4-64", "safetensors:f16"])(
    "%s refuses statistics",
    async (to) => {
      await expect(planned(index("blk.0.attn_q.weight", 256), parseTarget(to))).rejects.toThrow(
        /^The target \S+ does not take `statistics`/,
      );
    },
  );

  it("weights with fewer tokens than columns are named, where they are solved", async () => {
    const shared = new Map([["blk.0.attn_k.weight", "blk.0.attn_q.weight"]]);
    const codes = async (tokens: number, to: string) => {
      const { findings } = await planned(
        { ...index("blk.0.attn_q.weight", 256, [tokens]), shared },
        parseTarget(to),
      );
      return findings.filter(({ code }) => code === "few-tokens").map(({ message }) => message);
    };
    const message =
      "The calibration statistics have fewer tokens than columns for 2 weights, blk.0.attn_k.weight first: 255 of at least 256.";
    expect(await codes(255, "gguf:q4_0")).toEqual([message]);
    expect(await codes(256, "gguf:q4_0")).toEqual([]);
    expect(await codes(256, "gptq:4bit-128g-sym")).toEqual([]);
  });

  it("only the formats that take statistics are offered instead", async () => {
    const refused = planned(index("blk.0.attn_q.weight", 256), parseTarget("safetensors:f16"));
    await expect(refused).rejects.toMatchObject({
      hint: "Leave it out, or choose a target of gguf, exl2, compressed-tensors, mlx, awq or gptq.",
    });
  });

  it.each(["gptq:4bit-128g-sym", "awq:gemm-128g", "mlx:4bit-64g", "compressed-tensors:4bit-128g-sym"])(
    "%s: a plan with an importance matrix says that it weights the grids",
    async (to) => {
      const weights = new Map([["blk.0.attn_q.weight", new Float32Array(256).fill(1)]]);
      const { findings } = await planConversion(await open(hf), parseTarget(to), { imatrix: { weights } });
      const rounded = findings.filter(({ code }) => code === "rounded-to-nearest");
      expect(rounded).toHaveLength(2);
      expect(rounded[0]?.message).toMatch(
        /^1 weight gets new codes as \S+\. The grid of each is weighted by an importance matrix/,
      );
      expect(rounded[1]?.message).toMatch(/^\d+ weights get new codes as \S+\. Codes are rounded/);
    },
  );

  it("statistics and an importance matrix together are refused", async () => {
    const statistics = index("blk.0.attn_q.weight", 256);
    const imatrix = { weights: new Map([["blk.0.attn_q.weight", new Float32Array(256).fill(1)]]) };
    for (const to of ["gptq:4bit-128g-sym", "gguf:q4_0"]) {
      await expect(planConversion(await open(hf), parseTarget(to), { statistics, imatrix })).rejects.toThrow(
        "`imatrix` and `statistics` contradict each other.",
      );
    }
  });
});

describe("statistics files", () => {
  const inputs = new Map([["blk.0.attn_q.weight", layerInputs(8, 4, 1)]]);
  const open = async (...made: Parameters<typeof statisticsStore>) =>
    openStatisticsFile({ store: await statisticsStore(...made), file: "stats.safetensors" });

  it("has the sums of the inputs", async () => {
    const file = await open(inputs, { "blk.0.attn_k.weight": "blk.0.attn_q.weight" });
    expect([...file.entries.keys()]).toEqual(["blk.0.attn_q.weight"]);
    expect(file.entries.get("blk.0.attn_q.weight")).toMatchObject({ columns: 4, tokens: [8] });
    expect(file.shared).toEqual(new Map([["blk.0.attn_k.weight", "blk.0.attn_q.weight"]]));
    const { moments, tokens } = await file.read("blk.0.attn_q.weight", 0);
    const { values } = layerInputs(8, 4, 1);
    let sum = 0;
    for (let token = 0; token < 8; token++)
      sum += (values[4 * token + 1] ?? 0) * (values[4 * token + 3] ?? 0);
    expect(tokens).toBe(8);
    expect(moments[4 + 3]).toBeCloseTo(sum / 8, 6);
    // the weight that shares the inputs has the statistics of the other
    expect(await file.read("blk.0.attn_k.weight", 0)).toEqual(await file.read("blk.0.attn_q.weight", 0));
    await expect(file.read("blk.0.attn_q.weight", 1)).rejects.toThrow("none has number 1");
    await expect(file.read("blk.0.attn_v.weight", 0)).rejects.toThrow("no entry for this weight");
  });

  it.each([
    [{ format: "pt" }, {}, "The file holds no calibration statistics."],
    [{ version: "2" }, {}, 'The statistics have version "2"; 1 is read.'],
    [{ shared: "[1]" }, {}, "is not a JSON object of names"],
    [{}, { "blk.0.attn_k.weight": "blk.1.attn_q.weight" }, "which has no entry"],
    [{}, { "blk.0.attn_q.weight": "blk.0.attn_q.weight" }, "has an entry of its own"],
  ])("refuses %j %j", async (metadata, shared, message) => {
    await expect(open(inputs, shared, metadata)).rejects.toThrow(message);
  });
});

/** Weights read in bands have the values that the model's own rows have, whether their bytes are decoded in steps or they are computed. */
import { F16, memoryStore, rowCount, rowLength } from "@requant/core";
import { openWeight, type WeightPlan } from "@requant/models";
import { describe, expect, it } from "vitest";
import { openModel } from "../../src/index.ts";
import { ownPlan } from "../../src/model/own-plan.ts";
import { weightMemory } from "../../src/model/weight-bands.ts";
import { weightSource } from "../../src/model/weight-source.ts";
import { ggufBytes, pseudoWeights } from "../tiny-gguf.ts";

const shapes = [[700, 256], [3, 5, 64], [96]];

async function model() {
  const store = memoryStore({ name: "m" });
  const tensors = shapes.map((shape, index) => ({
    name: `blk.${index}.ffn_up.weight`,
    shape,
    values: pseudoWeights(
      shape.reduce((product, size) => product * size, 1),
      index,
    ),
  }));
  store.files.set("m.gguf", await ggufBytes(tensors, { codec: F16 }));
  return openModel({ store, file: "m.gguf" });
}

describe("the bands of weights", () => {
  it("have the values of the rows, one weight after the other in the same memory", async () => {
    const source = await model();
    const [first] = source.tensors;
    const plans: WeightPlan[] = source.tensors.map(ownPlan);
    if (first !== undefined) {
      const inputs = [{ tensor: first.name, map: "add-one" as const }];
      plans.push({ name: "computed", shape: first.shape, inputs });
      const turned = [{ tensor: first.name, transpose: true as const }];
      plans.push({ name: "turned", shape: [...first.shape].reverse(), inputs: turned });
    }
    const memory = weightMemory(source, plans);
    for (const plan of plans) {
      const length = rowLength(plan.shape);
      const wanted = new Float32Array(rowCount(plan.shape) * length);
      await openWeight(plan, weightSource(source)).readRows(0, rowCount(plan.shape), wanted);
      const found = new Float32Array(wanted.length);
      let at = 0;
      const weight = memory.open(plan);
      for (const band of weight.bands) {
        await weight.read(band);
        for (const rows of weight.steps(band)) {
          expect(rows.start * length).toBe(at);
          const values = weight.values(rows);
          found.set(values, at);
          at += values.length;
        }
      }
      expect(at, plan.name).toBe(wanted.length);
      expect(
        found.findIndex((value, index) => value !== wanted[index]),
        plan.name,
      ).toBe(-1);
    }
    memory.release();
  });
});

/** Plans for several targets. */
import type { MemoryStore } from "@requant/core";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Model,
  openModel,
  type Plan,
  parsePlan,
  parseTarget,
  parseTargets,
  planConversion,
  planConversions,
  planReport,
  plansByTarget,
} from "../../src/index.ts";
import { floatDirectory } from "../run/packed-models.ts";

let store: MemoryStore;
beforeAll(async () => {
  store = await floatDirectory("BF16");
});

async function withModel<T>(use: (model: Model) => Promise<T>): Promise<T> {
  const model = await openModel({ store });
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

describe("a plan for several targets", () => {
  const planned = (targets: string): Promise<Plan> =>
    withModel((model) => planConversions(model, parseTargets(targets)));

  it("is plain JSON, and the plans of its targets come out of it again", async () => {
    const targets = "gguf:q8_0,safetensors:bf16";
    const plan = await withModel((model) => planConversions(model, parseTargets(targets)));
    expect(parsePlan(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
    const parts = plansByTarget(plan);
    for (const [index, target] of parseTargets(targets).entries()) {
      const single = await withModel((model) => planConversion(model, target));
      const within = index === 0 ? "" : "safetensors-bf16/";
      const files = single.files.map((file) => ({ ...file, name: within + file.name }));
      expect(parts[index]).toEqual({ ...single, files });
      expect(planReport(parts[index] ?? single).tensors).toEqual(planReport(single).tensors);
    }
  });

  it("is refused where its targets do not share out its tensors and files", async () => {
    const plan = await planned("gguf:q8_0,f16");
    const [first, ...others] = plan.targets ?? [];
    expect(first).toBeDefined();
    for (const change of [{ tensorCount: 1 }, { fileCount: 2 }]) {
      expect(() => parsePlan({ ...plan, targets: [{ ...first, ...change }, ...others] })).toThrow(
        expect.objectContaining({ code: "USAGE" }),
      );
    }
  });

  it("is refused where two targets would write one file", async () => {
    await expect(planned("gguf:auto,gguf:auto-f16")).rejects.toMatchObject({
      code: "USAGE",
      message: "The targets gguf:auto and gguf:auto-f16 would both write the file float-BF16-AUTO.gguf.",
    });
  });

  it("is refused where one target does not take an option", async () => {
    await withModel(async (model) => {
      const targets = parseTargets("gguf:q8_0,safetensors:bf16");
      await expect(planConversions(model, targets, { pure: true })).rejects.toMatchObject({
        code: "USAGE",
        message: "The target safetensors does not take `pure`.",
      });
      await expect(planConversions(model, targets, { outputName: "x" })).rejects.toMatchObject({
        code: "USAGE",
      });
    });
  });

  it("is refused with `exact` where one target changes a weight", async () => {
    await withModel(async (model) => {
      const options = { exact: true };
      await expect(planConversions(model, parseTargets("gguf:bf16,q8_0"), options)).rejects.toMatchObject({
        code: "CONVERSION",
      });
      const plan = await planConversions(model, parseTargets("gguf:bf16,f32"), options);
      expect(plan.targets).toHaveLength(2);
    });
  });
});

describe("parseTargets", () => {
  it("understands words as those of the format before them", () => {
    const texts = (text: string): string[] => parseTargets(text).map((target) => target.text);
    expect(texts("gguf:q4_k_m,q8_0, F16")).toEqual(["gguf:q4_k_m", "gguf:q8_0", "gguf:f16"]);
    expect(texts("safetensors:bf16,f16,q8_0")).toEqual(["safetensors:bf16", "safetensors:f16", "gguf:q8_0"]);
    expect(texts("q8_0")).toEqual([parseTarget("q8_0").text]);
  });

  it.each([
    ["gguf:q8_0,", "after the last comma"],
    [",q8_0", "before the first comma"],
    ["gguf:q8_0,,f16", "between two commas"],
  ])("refuses %s, where a target is missing", (text, place) => {
    expect(() => parseTargets(text)).toThrow(`A target is missing ${place} of "${text}".`);
  });

  it.each([
    ["gguf:q8_0,q8_0", "The target gguf:q8_0 is named twice."],
    ["gguf:q4_k_m,q4_k", "The target gguf:q4_k is named twice, also as gguf:q4_k_m."],
  ])("refuses %s, which names a target twice", (text, message) => {
    expect(() => parseTargets(text)).toThrow(message);
  });
});

/** Claims of a configuration that the tensors do not contradict, though they measure otherwise. */
import { type MemoryStore, memoryStore } from "@requant/core";
import { describe, expect, it } from "vitest";
import { inspectModel } from "../../src/examine/inspect.ts";
import { openModel } from "../../src/model/open.ts";
import { planConversion } from "../../src/plan/make-plan.ts";
import type { PlanOptions } from "../../src/plan/plan-options.ts";
import { parseTarget } from "../../src/plan/target.ts";
import { runPlan } from "../../src/run/run.ts";
import { floatDirectory, packedDirectory } from "../run/packed-models.ts";

/** The measured facts that contradict the configuration. */
async function contradictions(directory: ReturnType<typeof packedDirectory>): Promise<string[]> {
  const model = await openModel({ store: await directory });
  const { measured } = await inspectModel(model);
  return measured.filter(({ agrees }) => !agrees).map(({ label }) => label);
}

async function converted(from: MemoryStore, target: string, options: PlanOptions = {}): Promise<MemoryStore> {
  const source = await openModel({ store: from });
  const store = memoryStore({ name: target });
  await runPlan(await planConversion(source, parseTarget(target), options), source, store);
  return store;
}

describe("a configuration", () => {
  it("of a layout with zero points holds symmetric weights", async () => {
    const symmetric = { bits: 4, groupSize: 32, sym: true };
    expect(await contradictions(packedDirectory("awq", ["gemm", "32g"], symmetric))).toEqual([]);
    expect(await contradictions(packedDirectory("gptq", ["4bit", "32g", "asym"], symmetric))).toEqual([]);
  });

  it("may have smaller groups than those that the tensors show", async () => {
    const mixed = await converted(await floatDirectory("F16"), "exl2:4.25bpw-h6");
    const store = await converted(mixed, "gptq:8bit-32g-sym", { exact: true });
    const { measured } = await inspectModel(await openModel({ store }));
    const size = measured.find(({ label }) => label === "group size");
    expect(size).toMatchObject({ agrees: true });
    // some groups of EXL2 are larger, and the conversion keeps each as one
    expect(size?.measured).not.toBe(size?.claimed);
  });
});

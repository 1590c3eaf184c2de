/** Claims of a configuration that the tensors do not contradict, though they measure otherwise. */
import { describe, expect, it } from "vitest";
import { inspectModel } from "../../src/examine/inspect.ts";
import { openModel } from "../../src/model/open.ts";
import { packedDirectory } from "../run/packed-models.ts";

/** The measured facts that contradict the configuration. */
async function contradictions(directory: ReturnType<typeof packedDirectory>): Promise<string[]> {
  const model = await openModel({ store: await directory });
  const { measured } = await inspectModel(model);
  return measured.filter(({ agrees }) => !agrees).map(({ label }) => label);
}

describe("a configuration", () => {
  it("of a layout with zero points holds symmetric weights", async () => {
    const symmetric = { bits: 4, groupSize: 32, sym: true };
    expect(await contradictions(packedDirectory("awq", ["gemm", "32g"], symmetric))).toEqual([]);
    expect(await contradictions(packedDirectory("gptq", ["4bit", "32g", "asym"], symmetric))).toEqual([]);
  });

  it("may have smaller groups than those that the scales show", async () => {
    const coarse = { bits: 4, groupSize: 64, sym: true };
    expect(await contradictions(packedDirectory("gptq", ["4bit", "32g", "sym"], coarse))).toEqual([]);
  });
});

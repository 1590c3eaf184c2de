/**
 * Calibrated conversions from end to end. Oracle: the goals that were set from measurements with torch, below what the formats'
 * own tools reach with the same text (results.json of the golden set).
 */
import { afterAll, describe, expect, it } from "vitest";
import { CalibratedModels } from "../../../scripts/calibrated-models.ts";
import { calibrationTargets } from "../../../scripts/calibration-page.ts";

const golden = process.env["REQUANT_GOLDEN"];
// about 15 s each on two cores that do nothing else
const TIMEOUT = 300_000;

describe.skipIf(golden === undefined)("the trained model (skipped: REQUANT_GOLDEN is not set)", () => {
  const models = new CalibratedModels(golden ?? "");
  afterAll(() => models.close());

  const few = ["gptq:4bit-128g-sym", "gguf:q4_0", "gguf:q4_k_m", "gguf:q2_k"];
  const goals = calibrationTargets.filter(({ target }) => few.includes(target));

  it.each(goals)("$target: KL × 1000 is at most $goal", { timeout: TIMEOUT }, async ({ target, goal }) => {
    const { kl } = await models.calibrated(target);
    expect(kl).toBeGreaterThan(0);
    expect(kl).toBeLessThanOrEqual(goal ?? 0);
  });

  it("solved 4-bit GPTQ in groups of 32 becomes Q4_0 exactly", { timeout: TIMEOUT }, async () => {
    const gptq = await models.calibrated("gptq:4bit-32g-sym");
    const floats = ["--token-embedding", "bf16", "--output-tensor", "bf16"];
    const gguf = await models.convert("gguf:q4_0", gptq.path, "--exact", ...floats);
    // the same weights, computed in another order of rows
    expect(Math.abs(gguf.kl / gptq.kl - 1)).toBeLessThan(1e-3);
    expect(gguf.byteLength).toBeLessThan(gptq.byteLength);
  });
});

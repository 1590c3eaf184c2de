/** Perplexity, KL divergence and same top. Oracles: distributions whose values are known in closed form. */
import { EvaluationMeter, evaluateModel, type LogitSource } from "@requant/calibrate";
import { describe, expect, it } from "vitest";

/** The same row of logits at each position. */
function constant(row: readonly number[]): LogitSource {
  return {
    vocabulary: row.length,
    logits(_window, start, end, out) {
      expect(out.length).toBe((end - start) * row.length);
      for (let at = 0; at < out.length; at += row.length) out.set(row, at);
    },
  };
}

describe("evaluation", () => {
  it("scores the second half of each window, without the first token that has no prediction", async () => {
    const asked: [window: number, start: number, end: number][] = [];
    const model: LogitSource = {
      vocabulary: 4,
      logits(window, start, end, out) {
        asked.push([window, start, end]);
        out.fill(0);
      },
    };
    const windows = [Int32Array.of(0, 1, 2, 3, 0, 1, 2, 3), Int32Array.of(3, 2, 1, 0, 3, 2, 1, 0)];
    const done: number[] = [];
    const result = await evaluateModel(model, { windows, onWindow: (count) => void done.push(count) });
    expect(asked).toEqual([
      [0, 4, 7],
      [1, 4, 7],
    ]);
    expect(done).toEqual([1, 2]);
    // four equally likely tokens
    expect(result).toEqual({
      perplexity: expect.closeTo(4, 12),
      perplexityError: expect.closeTo(0, 12),
      tokens: 6,
    });
  });

  it("counts the error as llama-perplexity does", async () => {
    // probabilities 3/4 and 1/4: losses ln(4/3) twice and ln 4 once
    const windows = [Int32Array.of(0, 0, 0, 0, 0, 0, 1)];
    const { perplexity, perplexityError } = await evaluateModel(constant([Math.log(3), 0]), { windows });
    const losses = [Math.log(4 / 3), Math.log(4 / 3), Math.log(4)];
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / 3;
    const squares = losses.reduce((sum, loss) => sum + loss * loss, 0) / 3;
    expect(perplexity).toBeCloseTo(Math.exp(mean), 6);
    expect(perplexityError).toBeCloseTo(Math.exp(mean) * Math.sqrt((squares - mean * mean) / 2), 6);
  });

  it("measures the divergence from a base", async () => {
    const windows = [Int32Array.of(0, 0, 0, 1, 0, 1)];
    const model = constant([0, Math.log(3)]);
    const base = constant([Math.log(2), 0]);
    const result = await evaluateModel(model, { windows, base });
    // p = (2/3, 1/3), q = (1/4, 3/4)
    expect(result.kl).toBeCloseTo((2 / 3) * Math.log(8 / 3) + (1 / 3) * Math.log(4 / 9), 6);
    expect(result.klError).toBeCloseTo(0, 6);
    expect(result.sameTop).toBe(0);
    // right tokens 0 and 1
    expect(result.logRatio).toBeCloseTo((Math.log(8 / 3) + Math.log(4 / 9)) / 2, 6);
    expect(await evaluateModel(base, { windows, base })).toMatchObject({
      kl: 0,
      klError: 0,
      sameTop: 1,
      logRatio: 0,
    });
  });

  it("stays exact where logits are large, and where a token is impossible", () => {
    const meter = new EvaluationMeter();
    const logits = Float32Array.of(1e6, 1e6, Number.NEGATIVE_INFINITY);
    meter.add(logits, Int32Array.of(0), logits);
    expect(meter.result()).toMatchObject({ perplexity: expect.closeTo(2, 12), kl: 0, sameTop: 1 });
  });

  it("refuses logits that are not numbers, tokens outside the vocabulary, and another vocabulary", async () => {
    const windows = [Int32Array.of(0, 0, 0, 5)];
    const sound = [Int32Array.of(0, 0, 0, 1)];
    await expect(evaluateModel(constant([0, Number.NaN]), { windows: sound })).rejects.toMatchObject({
      reason: "not-finite",
    });
    await expect(evaluateModel(constant([0, 0]), { windows })).rejects.toThrow(
      "Token 5 is not one of the model's 2.",
    );
    await expect(evaluateModel(constant([0, 0]), { windows, base: constant([0, 0, 0]) })).rejects.toThrow(
      "The model has 2 tokens in its vocabulary, and the base has 3.",
    );
    await expect(evaluateModel(constant([0, 0]), { windows: [] })).rejects.toThrow("No position was scored.");
  });
});

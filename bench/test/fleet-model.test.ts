import { describe, expect, it } from "vitest";
import { simulateFleet } from "../fleet-model.ts";

const even = { parts: 100, partSeconds: [1], queueSeconds: 0, finishSeconds: 0 };

describe("a simulated fleet", () => {
  it("of one worker works without a gap", () => {
    expect(simulateFleet({ ...even, workers: 1 })).toMatchObject({ partsSeconds: 100, efficiency: 1 });
  });

  it("of four is four times as fast", () => {
    expect(simulateFleet({ ...even, workers: 4 })).toMatchObject({ partsSeconds: 25, efficiency: 1 });
  });

  it("waits for the last part", () => {
    expect(simulateFleet({ ...even, parts: 5, workers: 4 })).toMatchObject({
      partsSeconds: 2,
      efficiency: 5 / 8,
    });
  });

  it("is as slow as its queue", () => {
    const { partsSeconds, queueShare } = simulateFleet({ ...even, workers: 100, queueSeconds: 1 });
    expect(partsSeconds).toBe(101);
    expect(queueShare).toBeCloseTo(100 / 101, 12);
  });

  it("counts the finish as the time of one machine", () => {
    const { totalSeconds, totalEfficiency } = simulateFleet({ ...even, workers: 10, finishSeconds: 10 });
    expect(totalSeconds).toBe(20);
    expect(totalEfficiency).toBeCloseTo(110 / 200, 12);
  });
});

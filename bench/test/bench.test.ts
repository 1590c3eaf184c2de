/** Tests of the benchmark's parts. No test measures time: only `pnpm bench` does, never CI. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { costSection, vectorBits, withCost } from "../calibration-cost.ts";
import { interleave } from "../interleave.ts";
import { limitContenders } from "../limits.ts";
import { benchmarkPage } from "../page.ts";
import { type Measurement, type Results, spread } from "../results.ts";
import { severalSection, withSeveralCost } from "../several-cost.ts";

function results(measurements: readonly Measurement[], load = 0.5): Results {
  return {
    date: "2026-01-01",
    machine: {
      cpu: "A processor",
      cores: 2,
      memoryBytes: 2 ** 34,
      platform: "linux x64",
      node: "24.0.0",
      v8: "13",
      versions: { ggml: "0.1" },
      load: [0, load],
    },
    options: { quick: false },
    measurements,
  };
}

function kernel(contender: string, seconds: number, same?: boolean): Measurement {
  return {
    part: "kernels",
    task: "quantize Q8_0",
    contender,
    samples: 3,
    cpuSeconds: spread([seconds, 2 * seconds, 9 * seconds]),
    bytes: 1e9,
    ...(same === undefined ? {} : { same }),
  };
}

describe("the page", () => {
  it("has rates, and the ratios of contenders of the same run: medians, and best runs", () => {
    const page = benchmarkPage(results([kernel("native", 0.5), kernel("SIMD", 0.1, true)]));
    const row = page.split("\n").find((line) => line.startsWith("| quantize Q8_0"));
    expect(row?.split("|").map((cell) => cell.trim())).toEqual([
      "",
      "quantize Q8_0",
      "1.0 (2.0)",
      "",
      "5.0 (10.0)",
      "5.00 (5.00)",
      "yes",
      "",
    ]);
  });

  it("has no ratio where one side is missing, and only measured parts", () => {
    const page = benchmarkPage(results([kernel("SIMD", 0.1)]));
    expect(page).toMatch(/\| quantize Q8_0 \| +\| +\| 5\.0 \(10\.0\) \| +\| +\|/);
    expect(page).not.toContain("## Whole conversions");
  });

  it("says when bytes differ, and when the machine was busy", () => {
    const page = benchmarkPage(results([kernel("native", 1), kernel("SIMD", 1, false)], 3));
    expect(page).toContain("**no**");
    expect(page).toContain("busy");
  });

  it("has a section of its own for formats, with the date and the machine of their run", () => {
    const formats = { ...results([{ ...kernel("SIMD", 0.1, true), part: "formats" }]), date: "2026-02-02" };
    const page = benchmarkPage(results([kernel("SIMD", 0.1)]), formats);
    expect(page.split("## Weight formats to f32")[1]).toContain("Measured on 2026-02-02: A processor");
  });

  const [json, formats, page] = ["../results.json", "../formats.json", "../../docs/benchmarks.md"].map(
    (path) => new URL(path, import.meta.url),
  );
  it.skipIf(!json || !existsSync(json))("in docs equals the page made from the stored figures", () => {
    const [stored, storedFormats] = [json!, formats!].map((url) => JSON.parse(readFileSync(url, "utf8")));
    expect(readFileSync(page!, "utf8")).toBe(benchmarkPage(stored, storedFormats));
  });
});

describe("measuring", () => {
  it("takes turns", () => {
    const order: string[] = [];
    const contender = (name: string) => ({ name, run: () => void order.push(name) });
    const found = interleave("kernels", "task", 1, [contender("a"), contender("b")], {
      rounds: 4,
      sampleSeconds: 0,
      warmUpSeconds: 0,
      taskSeconds: 60,
    });
    expect(order.slice(-8).join("")).toBe("abababab");
    expect(found.map(({ samples }) => samples)).toEqual([4, 4]);
  });

  it("has a store loop where there is SIMD", () => {
    expect(limitContenders(128 * 1024).map(({ name }) => name)).toEqual(["copy", "store"]);
    for (const { run } of limitContenders(128 * 1024)) run();
  });
});

describe("what calibration costs", () => {
  const { date, machine } = results([]);
  const cost = {
    date,
    machine,
    layers: 2,
    llamaInstructions: "AVX = 1 | AVX2 = 1 | FMA = 1",
    tokens: 4800,
    // 200 and 100 tokens a second for 24 layers
    forward: { requant: spread([2]), llama: spread([1]) },
    calibrationTokens: 16_384,
    statisticsSeconds: 10,
    conversions: { "gguf:q4_0": { wallSeconds: 50, peakBytes: 3e8 } },
  };
  const cells = (row: string): string[] =>
    (
      costSection(cost)
        .split("\n")
        .find((line) => line.startsWith(row)) ?? ""
    )
      .split("|")
      .map((cell) => cell.trim());

  it("is told for all layers, and for vectors of one width", () => {
    expect(cells("| tokens a second").slice(2, 5)).toEqual(["100 (100)", "200 (200)", "0.50 (0.50)"]);
    expect(cells("| the same").slice(2, 5)).toEqual(["100 (100)", "100 (100)", "1.00 (1.00)"]);
    expect(cells("| `gguf:q4_0`").slice(2, 6)).toEqual(["2.0", "10.0", "12.0", "300"]);
  });

  it("takes the width of vectors from the instructions that ggml names", () => {
    expect(vectorBits("SSE3 = 1 | AVX = 1 | AVX2 = 1 | AVX512 = 1 | AVX512_VBMI = 1")).toBe(512);
    expect(vectorBits("SSE3 = 1 | AVX = 1 | AVX2 = 1")).toBe(256);
    expect(vectorBits("NEON = 1 | ARM_FMA = 1")).toBe(128);
  });

  it("is in docs/calibration.md as bench/calibration.json has it", () => {
    const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
    const page = read("../../docs/calibration.md");
    expect(withCost(page, JSON.parse(read("../calibration.json")))).toBe(page);
  });
});

describe("what several targets in one run cost", () => {
  const { date, machine } = results([]);

  it("subtracts one run from the runs for each target, beside the reading of all but one", () => {
    const cost = {
      date,
      machine,
      byteLength: 200e6,
      rounds: 1,
      reading: spread([2]),
      conversions: [
        { targets: ["q8_0", "q4_0", "f16"], apart: spread([10]), together: spread([5]), same: true },
      ],
    };
    const row = severalSection(cost)
      .split("\n")
      .find((line) => line.startsWith("| `q8_0`"));
    expect(row?.split("|").map((cell) => cell.trim())).toEqual([
      "",
      "`q8_0`, `q4_0`, `f16`",
      "10.00 s (10.00 s)",
      "5.00 s (5.00 s)",
      "5.00 s (5.00 s)",
      "4.00 s (4.00 s)",
      "yes",
      "",
    ]);
  });

  it("is in docs/several-targets.md as bench/several-targets.json has it", () => {
    const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
    const page = read("../../docs/several-targets.md");
    expect(withSeveralCost(page, JSON.parse(read("../several-targets.json")))).toBe(page);
  });
});

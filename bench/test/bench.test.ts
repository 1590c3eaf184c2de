/** Tests of the benchmark's parts. No test measures time: only `pnpm bench` does, never CI. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { costSection, vectorBits, withCost } from "../calibration-cost.ts";
import { exponentOf } from "../fit.ts";
import { interleave } from "../interleave.ts";
import { limitContenders } from "../limits.ts";
import { benchmarkPage } from "../page.ts";
import { type Measurement, type Results, type Run, spread, withRun } from "../results.ts";
import { severalSection, withSeveralCost } from "../several-cost.ts";

function run(measurements: readonly Measurement[], load = 0.5): Run {
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

const peers = run([]);

function results(measurements: readonly Measurement[], load = 0.5): Results {
  return { runs: [run(measurements, load)] };
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
    const page = benchmarkPage(results([kernel("native", 0.5), kernel("SIMD", 0.1, true)]), peers);
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
    const page = benchmarkPage(results([kernel("SIMD", 0.1)]), peers);
    expect(page).toMatch(/\| quantize Q8_0 \| +\| +\| 5\.0 \(10\.0\) \| +\| +\|/);
    expect(page).not.toContain("## Whole conversions");
  });

  it("says when bytes differ, and when the machine was busy", () => {
    const page = benchmarkPage(results([kernel("native", 1), kernel("SIMD", 1, false)], 3), peers);
    expect(page).toContain("**no**");
    expect(page).toContain("busy");
  });

  it("says of each section which other run measured it", () => {
    const older = { ...run([{ ...kernel("SIMD", 0.1, true), part: "formats" }]), date: "2025-02-02" };
    const page = benchmarkPage({ runs: [run([kernel("SIMD", 0.1)]), older] }, peers);
    expect(page.split("## Weight formats to f32")[1]).toContain("Measured on 2025-02-02: A processor");
    expect(page.split("## Kernels, in cache")[1]?.split("\n## ")[0]).not.toContain("Measured on");
  });

  it("says why a part was not measured", () => {
    const skipped = [{ part: "browser", reason: "there is no Chromium" }] as const;
    expect(benchmarkPage({ runs: [{ ...run([]), skipped }] }, peers)).toContain(
      'The part "browser" was not measured: there is no Chromium.',
    );
  });

  const [json, once, page] = ["../results.json", "../peers.json", "../../docs/benchmarks.md"].map(
    (path) => new URL(path, import.meta.url),
  );
  it.skipIf(!json || !existsSync(json))("in docs equals the page made from the stored figures", () => {
    const [stored, storedPeers] = [json!, once!].map((url) => JSON.parse(readFileSync(url, "utf8")));
    expect(readFileSync(page!, "utf8")).toBe(benchmarkPage(stored, storedPeers));
  });
});

describe("results of several runs", () => {
  const header = { ...kernel("requant", 1), part: "header" } as const;

  it("keep the parts that a new run did not measure, with their date", () => {
    const old = { ...run([kernel("SIMD", 1), header]), date: "2025-01-01" };
    const { runs } = withRun({ runs: [old] }, run([kernel("SIMD", 2)]));
    expect(runs.map(({ date, measurements }) => [date, measurements.map(({ part }) => part)])).toEqual([
      ["2026-01-01", ["kernels"]],
      ["2025-01-01", ["header"]],
    ]);
    expect(runs[0]?.measurements[0]?.cpuSeconds?.least).toBe(2);
  });

  it("lose a run of which nothing is left", () => {
    expect(withRun({ runs: [run([header])] }, run([header])).runs).toHaveLength(1);
  });

  it("keep older figures of a part that could not be measured, and the reason where there are none", () => {
    const skipped = [
      { part: "browser", reason: "there is no Chromium" },
      { part: "header", reason: "no reason" },
    ] as const;
    const { runs } = withRun({ runs: [run([header])] }, { ...run([]), skipped });
    expect(runs[0]?.skipped).toEqual([skipped[0]]);
    expect(runs[1]?.measurements).toEqual([header]);
    // a later run has the figures
    const later = withRun({ runs }, run([{ ...header, part: "browser" }]));
    expect(later.runs.flatMap((one) => one.skipped ?? [])).toEqual([]);
  });
});

describe("growth", () => {
  const grown = (size: number, seconds: number, peak: number): Measurement => ({
    part: "growth",
    task: `bytes: ${size} GB`,
    contender: "requant",
    samples: 1,
    size,
    workers: 2,
    cpuSeconds: spread([seconds]),
    peakBytes: spread([peak]),
  });

  it("has the exponent of a power", () => {
    const points = [1, 10, 100].map((size) => ({ size, value: 3 * size ** 1.25 }));
    expect(exponentOf(points)).toBeCloseTo(1.25, 12);
  });

  it("fits points between which no line goes by least squares", () => {
    // logarithms 0, 1, 1 over 0, 1, 2
    const points = [
      { size: 1, value: 1 },
      { size: Math.E, value: Math.E },
      { size: Math.E ** 2, value: Math.E },
    ];
    expect(exponentOf(points)).toBeCloseTo(0.5, 12);
  });

  it("is told beside the largest of each series, and judged", () => {
    const page = benchmarkPage(results([grown(1, 1, 1e8), grown(2, 2, 1e8), grown(4, 4, 1.3e8)]), peers);
    expect(page).toMatch(/\| bytes: 4 GB +\|.*\| +1\.00 \(1\.00\) in bytes \|/);
    expect(page).toMatch(/exponent in bytes +\| +≤ 1\.02 \| +1\.00 \| +yes \|/);
    expect(page).toMatch(/least over bytes +\| +≤ 1\.2 \| +1\.30 \| +no \|/);
    // 130 of 270 MB
    expect(page).toMatch(/most: growth, bytes: 4 GB, requant\) +\| +≤ 1 \| +0\.48 \| +yes \|/);
  });
});

describe("asked and reached", () => {
  const conversion = (contender: string, seconds: number, written: number): Measurement => ({
    part: "hf",
    task: "BF16 → Q4_K_M, 2 threads",
    contender,
    samples: 1,
    cpuSeconds: spread([seconds]),
    bytes: 2e9,
    writtenBytes: written,
  });

  it("adds a converter that was measured once to the quantizer, for as many bytes", () => {
    const once = run([{ ...conversion("converter", 10, 1e9), bytes: 1e9 }]);
    const page = benchmarkPage(results([conversion("native", 4, 5e8), conversion("requant", 2, 5e8)]), once);
    // (2 × 10 + 4) / 2, and 500 of 2500 MB
    expect(page).toMatch(/two steps ÷ requant +\| +≥ 6 \| +12\.0 \| +yes \|/);
    expect(page).toMatch(/bytes written ÷ llama\.cpp's +\| +≤ 0\.5 \| +0\.20 \| +yes \|/);
    expect(page).toContain("The converter was measured on 2026-01-01: A processor");
  });

  it("says what nobody measured", () => {
    expect(benchmarkPage(results([]), peers)).toMatch(
      /F16 GGUF → Q8_0, native ÷ requant +\| +≥ 4 \| +not measured/,
    );
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
  const { date, machine } = run([]);
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
  const { date, machine } = run([]);

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

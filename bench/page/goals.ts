/** What each part should reach, what it reached, and why not more. */
import { type GoalName, limitTexts } from "../limit-texts.ts";
import type { Measurement, PartName, Results, Run } from "../results.ts";
import { digits, table, tasksOf } from "./cells.ts";
import { microseconds, twoPasses } from "./conversion-parts.ts";
import { exponents, growing } from "./file-parts.ts";

/** A figure that was asked for. */
export interface Figure {
  readonly work: string;
  readonly asked: string;
  /** Undefined where nothing was measured. */
  readonly reached?: string | undefined;
  readonly isMet?: boolean | undefined;
}

interface Goal {
  readonly name: GoalName;
  readonly title: string;
  figures(results: Results, peers: Run): readonly Figure[];
}

function atLeast(work: string, bound: number, value: number | undefined, unit = ""): Figure {
  if (value === undefined) return { work, asked: `≥ ${bound}${unit}` };
  return { work, asked: `≥ ${bound}${unit}`, reached: `${digits(value)}${unit}`, isMet: value >= bound };
}

function atMost(work: string, bound: number, value: number | undefined, unit = ""): Figure {
  if (value === undefined) return { work, asked: `≤ ${bound}${unit}` };
  return { work, asked: `≤ ${bound}${unit}`, reached: `${digits(value)}${unit}`, isMet: value <= bound };
}

/** The contenders of the first task whose name begins so. */
function contest(
  results: Results,
  part: PartName,
  start: string,
): ReadonlyMap<string, Measurement> | undefined {
  for (const [task, measured] of tasksOf(results, part)) if (task.startsWith(start)) return measured;
  return undefined;
}

/** How many times the time of `ours` the other contender takes. */
function quotient(
  measured: ReadonlyMap<string, Measurement> | undefined,
  theirs: string,
  ours: string,
  time: "cpuSeconds" | "wallSeconds" = "cpuSeconds",
): number | undefined {
  const [a, b] = [measured?.get(theirs)?.[time], measured?.get(ours)?.[time]];
  return a === undefined || b === undefined ? undefined : a.median / b.median;
}

function overNative(part: PartName, asked: Readonly<Record<string, number>>): Goal["figures"] {
  return (results) =>
    Object.entries(asked).map(([name, bound]) =>
      atLeast(
        `F16 GGUF → ${name}, native ÷ requant`,
        bound,
        quotient(contest(results, part, `${name},`), "native", "requant"),
      ),
    );
}

/** GB/s of a task. */
function speed(results: Results, part: PartName, task: string): number | undefined {
  const { bytes, cpuSeconds } = contest(results, part, task)?.get("requant") ?? {};
  return bytes === undefined || cpuSeconds === undefined ? undefined : bytes / cpuSeconds.median / 1e9;
}

function exponent(results: Results, name: string): number | undefined {
  const measurements = growing(tasksOf(results, "growth")).get(name);
  return measurements === undefined ? undefined : exponents(measurements).median;
}

/** The largest peak of a series, divided by the smallest. */
function flatness(results: Results, name: string): number | undefined {
  const peaks = (growing(tasksOf(results, "growth")).get(name) ?? []).flatMap(({ peakBytes }) =>
    peakBytes === undefined ? [] : [peakBytes.median],
  );
  const sorted = peaks.sort((a, b) => a - b);
  const [least, most] = [sorted[0], sorted.at(-1)];
  return least === undefined || most === undefined ? undefined : most / least;
}

/** The row that comes nearest to the bound of memory, or exceeds it most: its peak as a share of the bound. */
function memory(results: Results): { row: string; share: number } | undefined {
  let worst: { row: string; share: number } | undefined;
  for (const { measurements } of results.runs) {
    for (const { part, task, contender, peakBytes, workers } of measurements) {
      if (workers === undefined || peakBytes === undefined) continue;
      const share = peakBytes.median / (150e6 + 60e6 * workers);
      if (worst === undefined || share > worst.share)
        worst = { row: `${part}, ${task}, ${contender}`, share };
    }
  }
  return worst;
}

/** Tasks of kernels that have no twin in WebAssembly. */
function withoutTwin(results: Results): string[] {
  return (["kernels", "linear"] as const).flatMap((part) =>
    [...tasksOf(results, part)].flatMap(([task, measured]) =>
      measured.has("TypeScript") && !measured.has("SIMD") ? [task] : [],
    ),
  );
}

export const goals: readonly Goal[] = [
  { name: "q8_0", title: "F16 → Q8_0", figures: overNative("convert", { Q8_0: 4 }) },
  { name: "q4_0", title: "F16 → Q4_0", figures: overNative("convert", { Q4_0: 3.5, "Q4_0 --pure": 3.5 }) },
  { name: "q4_k_m", title: "F16 → Q4_K_M", figures: overNative("convert", { Q4_K_M: 6 }) },
  {
    name: "hf",
    title: "A Hugging Face directory → Q4_K_M",
    figures(results, peers) {
      const sum = twoPasses(results, peers);
      const { cpuSeconds, writtenBytes } = sum?.requant ?? {};
      const work = "BF16 directory → Q4_K_M, llama.cpp's two steps ÷ requant";
      return [
        atLeast(work, 6, sum && cpuSeconds && sum.cpuSeconds.median / cpuSeconds.median),
        atMost(
          "the same, bytes written ÷ llama.cpp's",
          0.5,
          sum && writtenBytes && writtenBytes / sum.writtenBytes,
        ),
      ];
    },
  },
  {
    name: "importance",
    title: "With an importance matrix",
    figures: overNative("importance", { IQ4_XS: 6, IQ3_S: 3, IQ2_XS: 6 }),
  },
  {
    name: "packed",
    title: "GPTQ directory → Q4_0",
    figures: (results) => [
      atMost(
        "GPTQ directory → Q4_0, wall ÷ copy",
        1.5,
        quotient(contest(results, "packed", ""), "requant", "copy", "wallSeconds"),
      ),
    ],
  },
  {
    name: "linear",
    title: "Kernels of GPTQ and AWQ",
    figures: (results) => [
      atLeast(
        "GPTQ → Q4_0, kernel, copy ÷ SIMD",
        0.8,
        quotient(contest(results, "linear", "GPTQ 4-bit → Q4_0"), "copy", "SIMD"),
      ),
      atLeast(
        "AWQ → Q5_0, kernel, copy ÷ SIMD",
        0.6,
        quotient(contest(results, "linear", "AWQ 4-bit → Q5_0"), "copy", "SIMD"),
      ),
    ],
  },
  {
    name: "twins",
    title: "Kernels in WebAssembly for all",
    figures(results) {
      const [work, asked] = ["measured kernels in TypeScript only", "none"];
      if (tasksOf(results, "kernels").size === 0) return [{ work, asked }];
      const missing = withoutTwin(results);
      return [{ work, asked, reached: missing.join(", ") || "none", isMet: missing.length === 0 }];
    },
  },
  {
    name: "verify",
    title: "Comparing and hashing values",
    figures: (results) => [
      ...["verify, F16 and F16", "verify, F16 and Q8_0", "hash --values, F16"].map((task) =>
        atLeast(`${task}, f32 a core`, 2, speed(results, "verify", task), " GB/s"),
      ),
    ],
  },
  {
    name: "edits",
    title: "Split, merge and metadata",
    figures: (results) =>
      ["merge", "split", "metadata set, a header"].map((task) =>
        atMost(
          `${task.replace(", a header", ", a longer header")}, wall ÷ copy`,
          1.1,
          quotient(contest(results, "edits", task), "requant", "copy", "wallSeconds"),
        ),
      ),
  },
  {
    name: "rounding",
    title: "EXL2 and GPTQ",
    figures: (results) =>
      (
        [
          ["EXL2, 4 bits", 0.3],
          ["GPTQ 4-bit, mse", 0.1],
        ] as const
      ).map(([task, bound]) => {
        const measurement = contest(results, "rounding", `${task},`)?.get("requant --no-verify");
        return atMost(
          `→ ${task}, processor time a weight`,
          bound,
          measurement && microseconds(measurement)?.median,
          " µs",
        );
      }),
  },
  {
    name: "header",
    title: "A large vocabulary",
    figures(results) {
      const seconds = contest(results, "header", "first")?.get("requant")?.wallSeconds?.median;
      return [atMost("header with 150 000 tokens, first in a process", 10, seconds && 1e3 * seconds, " ms")];
    },
  },
  {
    name: "browser",
    title: "In Chromium",
    figures: (results) =>
      ["Q8_0", "Q4_K_M"].map((name) =>
        atLeast(
          `F16 GGUF → ${name} in Chromium ÷ in Node`,
          0.7,
          quotient(contest(results, "browser", name), "Node", "Chromium", "wallSeconds"),
        ),
      ),
  },
  {
    name: "growth",
    title: "Growth",
    figures: (results) => [
      atMost("processor time, exponent in bytes", 1.02, exponent(results, "bytes")),
      atMost("processor time, exponent in tensors", 1.1, exponent(results, "tensors")),
      ...["bytes", "tensors", "files"].map((name) =>
        atMost(`peak memory, most ÷ least over ${name}`, 1.2, flatness(results, name)),
      ),
    ],
  },
  {
    name: "memory",
    title: "Memory",
    figures(results) {
      const worst = memory(results);
      const row = worst === undefined ? "" : ` (most: ${worst.row})`;
      return [atMost(`peak memory ÷ (150 MB + 60 MB a worker)${row}`, 1, worst?.share)];
    },
  },
];

export function goalPart(results: Results, peers: Run): string {
  const rows = goals.flatMap((goal) =>
    goal
      .figures(results, peers)
      .map(({ work, asked, reached, isMet }) => [
        work,
        asked,
        reached ?? "not measured",
        isMet === undefined ? "" : isMet ? "yes" : "no",
      ]),
  );
  const texts = goals.map(({ name, title }) => `**${title}.** ${limitTexts[name]}`);
  return `## Asked and reached

Ratios are those of medians in one run: processor time of whole processes, with errors measured and the output read again, as by default.

${table(["", "asked", "reached", "met"], rows)}

### What the limit is

${texts.join("\n\n")}`;
}

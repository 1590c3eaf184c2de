/**
 * Every figure in READMEs and pages has a source. A page is either written by a script, from data with its date and machine;
 * or each of its figures is a limit in the code, a bound in a test, or a fact of a format: the table says where that stands.
 * A new figure without a row fails, and so does a row whose source has changed. A measured figure belongs into a generated page.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { benchmarkPage } from "../bench/page.ts";
import { calibrationText, passages } from "../packages/calibration-text/src/index.ts";
import { architectures } from "../packages/models/src/index.ts";
import { figuresOf } from "../scripts/figures.ts";

const root = resolve(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** A figure as the page has it; the file in which it stands for real; the words of that file. */
type Fact = readonly [figure: string, file: string, words: string];

const calibrate = "packages/calibrate";
const logits: readonly Fact[] = [
  ["5e-5", `${calibrate}/test/llama-logits.ts`, "silu: 5e-5"],
  ["1e-2", `${calibrate}/test/llama-logits.ts`, "gelu: 1e-2"],
];
const webgpu = `${calibrate}/src/compute/webgpu/webgpu-compute.ts`;
const band: Fact = [
  "4 MiB",
  "packages/convert/src/model/row-bands.ts",
  "BAND_BYTE_LENGTH: number = 4 * 1024 * 1024",
];
const fleet = "packages/cli/src/fleet/settings.ts";
const ledger = "packages/convert/src/run/parts/ledger.ts";

const facts: Readonly<Record<string, readonly Fact[]>> = {
  "docs/fleet.md": [
    ["256 MB", ledger, "CHECKPOINT_BYTE_LENGTH = 256 * 1024 * 1024"],
    ["15 seconds", ledger, "CHECKPOINT_INTERVAL = 15_000"],
    ["8 MiB", "packages/cli/src/s3/multipart.ts", "SMALLEST_PART = 8 * MiB"],
    ["2e-6", "packages/convert/test/measure/slices.test.ts", "toBeLessThan(2e-6)"],
    ["250MB", fleet, "PART_BYTE_LENGTH = 150_000_000"], // less than two parts
    ["4096 bytes", "docs/fleet.md", "the same page of 4096 bytes"], // a page of memory on most machines
    ["150 MB", fleet, "PART_BYTE_LENGTH = 150_000_000"],
    ["60 MB", fleet, "THREAD_BYTE_LENGTH = 60_000_000"],
    ["0.45 GB", "bench/fleet.json", '"cutHeapByteLength": 446317352'],
    ["60 seconds", "packages/fleet/src/work.ts", "stalledAfter = 30"],
  ],
  "docs/getting-started.md": [["2.3 million", "docs/pictures/terminal-light.svg", "2.30M in 30 tensors"]],
  "docs/grids.md": [
    ["128 ×", "packages/float8/src/index.ts", "blockSize: [128, 128]"],
    ["6.5 ×", "docs/grids.md", "6.5 × 0.0123 is 0.07995"], // arithmetic
  ],
  "docs/memory.md": [
    ["512 tokens", "packages/models/src/memory/estimate.ts", "const BATCH = 512"],
    ["32,768 tokens", "packages/models/test/memory.test.ts", "[2048, 8192, 32_768]"],
    ["1 MiB", "packages/models/test/memory.test.ts", "MEBIBYTE"],
    ["2 %", "packages/models/test/memory.test.ts", "TOLERANCE = 0.02"],
  ],
  "docs/platforms.md": [
    ["255 bytes", "packages/core/src/io/working-names.ts", "under the usual limit of 255"],
    ["15 seconds", "packages/core/src/io/node/lock.ts", "touchInterval = 15_000"],
  ],
  "docs/remote.md": [
    ["8 MiB", "packages/cli/src/s3/multipart.ts", "SMALLEST_PART = 8 * MiB"],
    ["10,000 parts", "packages/cli/src/s3/multipart.ts", "MOST_PARTS = 10_000"],
  ],
  "docs/several-targets.md": [band],
  "docs/web.md": [
    ["100,000 tensors", "packages/web/test/tensor-list.test.ts", "length: 100_000"],
    ["360 pixels", "packages/web/test/access.test.ts", '["light", 360]'],
  ],
  "packages/calibrate/README.md": [
    ...logits,
    ["1e-5", `${calibrate}/test/families.test.ts`, "torchTolerance[name] ?? 1e-5"],
    ["1e-3", `${calibrate}/test/families.test.ts`, "gptneox: 1e-3"],
    ["4 ×", `${calibrate}/README.md`, "4 × columns² bytes"], // f32
    ["192 MiB", `${calibrate}/src/compute/wasm-compute.ts`, "STAGED_BYTE_LENGTH = 64 * 2 ** 20"],
    ["64 MiB", `${calibrate}/src/evaluate/evaluate.ts`, "LOGITS_BYTE_LENGTH = 64 * 2 ** 20"],
    ["2e-7", `${calibrate}/test/numbers.ts`, "2e-7 * steps + 1e-6"],
    ["1e-6", `${calibrate}/test/numbers.ts`, "2e-7 * steps + 1e-6"],
    ["1e-4", `${calibrate}/test/webgpu-model.test.ts`, "has the logits of transformers to 1e-4"],
    ["128 MiB", webgpu, "bufferByteLength: 2 ** 27"],
    ["2 GiB", webgpu, "sumsByteLength: 2 ** 31"],
  ],
  "packages/cli/README.md": [
    ...logits,
    ["1 GiB", "packages/convert/src/measure/states.ts", "STATES_BYTE_LENGTH = 2 ** 30"],
    ["4 bytes", "packages/cli/README.md", "4 bytes × columns²"], // f32
    ["512 tokens", "packages/convert/src/measure/text-windows.ts", "DEFAULT_WINDOW = 512"],
    ["5,000,000,000 bytes", "packages/cli/test/transcripts.test.ts", '["5GB", 5_000_000_000]'],
  ],
  "packages/convert/README.md": [band],
  "packages/models/README.md": [
    [
      `${architectures.length} model families`,
      "packages/models/test/models-doc.test.ts",
      "names as many families as the table has",
    ],
  ],
  "packages/safetensors/README.md": [
    ["8 bytes", "packages/safetensors/src/layout.ts", "padded with spaces to 8 bytes"],
  ],
};

/** Pages that scripts write, from this heading on, and the test that holds each against its data. */
const generated: Readonly<Record<string, { readonly heldBy: string; readonly from?: string }>> = {
  "docs/benchmarks.md": { heldBy: "test/figures.test.ts" },
  "docs/calibration.md": { heldBy: "bench/test/bench.test.ts" },
  "docs/conversions.md": { heldBy: "packages/convert/test/run/conversion-matrix.test.ts" },
  "docs/doctor.md": { heldBy: "test/doctor-table.test.ts" },
  "docs/findings.md": { heldBy: "test/findings.test.ts" },
  "docs/fleet.md": { heldBy: "test/figures.test.ts", from: "## How it scales" },
  "docs/fuzzing.md": { heldBy: "test/fuzz.test.ts" },
  "docs/models.md": { heldBy: "packages/models/test/models-doc.test.ts" },
  "docs/security.md": { heldBy: "packages/cli/test/abuse/abuse.test.ts" },
  "docs/several-targets.md": { heldBy: "bench/test/bench.test.ts", from: "## Cost" },
  "docs/types.md": { heldBy: "packages/gguf/test/types-page.test.ts" },
};

const pages = [
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  ...readdirSync(join(root, "packages")).map((name) => `packages/${name}/README.md`),
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** The part of a page that people write. */
function writtenByHand(page: string): string {
  const origin = generated[page];
  if (origin === undefined) return read(page);
  return origin.from === undefined ? "" : (read(page).split(`\n${origin.from}\n`, 1)[0] ?? "");
}

describe("figures in READMEs and pages", () => {
  it.each(pages.filter((page) => page !== "packages/calibration-text/README.md"))(
    "%s: each has a source",
    (page) => {
      const known = facts[page] ?? [];
      const found = figuresOf(writtenByHand(page));
      const unknown = found.filter(({ text }) => !known.some(([figure]) => figure === text));
      expect(unknown.map(({ line, text }) => `${page}:${line}: ${text}`)).toEqual([]);
      const texts = found.map(({ text }) => text);
      expect(known.filter(([figure]) => !texts.includes(figure))).toEqual([]);
    },
  );

  it("stand in their sources", () => {
    const rows = Object.entries(facts).filter(([page]) => existsSync(join(root, page)));
    const gone = rows.flatMap(([page, known]) =>
      known
        .filter(([, file, words]) => !read(file).includes(words))
        .map((fact) => `${page}: ${fact.join(", ")}`),
    );
    expect(gone).toEqual([]);
  });

  it("of the text for calibration are those of its passages", () => {
    const texts = figuresOf(read("packages/calibration-text/README.md")).map(({ text }) => text);
    const spoken = passages.filter(({ kind }) => kind === "prose" || kind === "verse");
    const kilobytes = Math.round(new TextEncoder().encode(calibrationText).length / 1000);
    expect(texts).toEqual([
      `${new Set(spoken.map(({ language }) => language)).size} languages`,
      `${kilobytes} kB`,
    ]);
  });

  it("a figure without a row is found", () => {
    expect(
      figuresOf("It is 4.6× as fast, in 240 MB.\n```\n7 s\n```\nWithin 2e-5, `9 GB`.").map(
        ({ text }) => text,
      ),
    ).toEqual(["4.6×", "240 MB", "2e-5"]);
  });
});

describe("generated pages", () => {
  it.each(Object.entries(generated))("%s is named by the test that holds it", (page, { heldBy, from }) => {
    const name = page.slice("docs/".length);
    expect(read(heldBy)).toContain(name);
    if (from !== undefined) expect(read(page)).toContain(`\n${from}\n`);
  });

  it("say when and on which machine they were measured", () => {
    for (const page of ["benchmarks", "calibration", "fleet", "several-targets"])
      expect(read(`docs/${page}.md`)).toMatch(/Measured on \d{4}-\d\d-\d\d: .*\b\d+ cores,/);
  });

  it("docs/benchmarks.md is what bench/results.json and bench/peers.json give", () => {
    const [results, peers] = ["results", "peers"].map((name) => JSON.parse(read(`bench/${name}.json`)));
    expect(read("docs/benchmarks.md")).toBe(benchmarkPage(results, peers));
  });

  it("docs/fleet.md has the figures of bench/fleet.json", () => {
    const { date, loadAverage, plan, queue, measured, curve } = JSON.parse(read("bench/fleet.json"));
    const page = read("docs/fleet.md");
    const count = (value: number): string => value.toLocaleString("en-US");
    const sentences = [
      `Measured on ${date}: 2 cores, linux x64, busy with other work (load ${loadAverage})`,
      `(${count(plan.tensors)} tensors, made up)`,
      `| plan | ${(plan.planByteLength / 1e6).toFixed(1)} MB, and in a real one the vocabulary; saved in ${plan.saveSeconds.toFixed(1)} s, read in ${plan.readSeconds.toFixed(1)} s |`,
      `| cutting it into ${count(plan.jobs)} jobs | ${plan.cutSeconds.toFixed(1)} s and ${Math.round(plan.cutHeapByteLength / 1e6)} MB, once`,
      `| choosing the jobs of a part | ${Math.round(plan.microsecondsToChooseAPart)} µs |`,
      `${Math.round(queue.queueByteLength / 1e6)} MB (${count(Math.round(queue.queueBytesPerPart))} bytes for each part), submitted in ${Math.round(queue.submitSeconds)} s |`,
      `| ${(queue.secondsPerPart * 1000).toFixed(1)} ms, one after the other (${count(queue.handedOut)} parts) |`,
      `here with ${Math.round(measured.finishBytesPerSecond / 1e6)} MB/s in ${Math.round(1e12 / measured.finishBytesPerSecond / 60)} minutes`,
    ];
    for (const sentence of sentences) expect(page).toContain(sentence);
    const time = (seconds: number): string =>
      seconds < 3600 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
    const share = (part: number): string => `${(100 * part).toFixed(1)} %`;
    for (const { workers, partsSeconds, efficiency, queueShare, totalSeconds, totalEfficiency } of curve)
      expect(page).toContain(
        `| ${workers} | ${time(partsSeconds)} | ${share(efficiency)} | ${share(queueShare)} | ${time(totalSeconds)} | ${share(totalEfficiency)} |`,
      );
  });
});

/**
 * Benchmarks of this machine: writes bench/results.json, bench/formats.json and docs/benchmarks.md.
 *   pnpm bench [part …] [--quick] [--gigabytes 1] [--threads 2] [--folder <for temporary files>] [--keep]
 * Parts: see results.ts; all of them by default. A page with some parts has only these. The parts "formats" and
 * "hidden-grids" have a section to themselves: a run of these two alone leaves the others as they are, and the reverse.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureConvert } from "./convert.ts";
import { measureFormats } from "./formats.ts";
import { measureHeader } from "./header.ts";
import { measureHiddenGrids } from "./hidden-grids.ts";
import type { InterleaveOptions } from "./interleave.ts";
import { measureKernels, measureLarge } from "./kernels.ts";
import { measureLimits } from "./limits.ts";
import { measureLinear } from "./linear.ts";
import { machineFacts } from "./machine.ts";
import { findNativeGgml } from "./native.ts";
import { measurePacked } from "./packed.ts";
import { benchmarkPage, lineOf } from "./page.ts";
import { formatParts, type Measurement, type PartName, partNames, type Results } from "./results.ts";
import { measureStartUp } from "./start-up.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    gigabytes: { type: "string", default: "1" },
    threads: { type: "string", default: String(Math.min(2, availableParallelism())) },
    types: { type: "string", default: "" },
    folder: { type: "string", default: tmpdir() },
    print: { type: "boolean", default: false },
  },
});

function isPart(name: string): name is PartName {
  return partNames.some((part) => part === name);
}

const parts = positionals.filter(isPart);
if (parts.length < positionals.length) throw new Error(`The parts are ${partNames.join(", ")}.`);
const wanted = new Set<PartName>(parts.length > 0 ? parts : partNames);
const { quick } = values;
const options: InterleaveOptions = quick
  ? { rounds: 3, sampleSeconds: 0.005, warmUpSeconds: 0.02, taskSeconds: 1 }
  : { rounds: 15, sampleSeconds: 0.02, warmUpSeconds: 0.3, taskSeconds: 6 };
const rounds = quick ? 1 : 3;
const loadAtStart = loadavg()[0] ?? 0;
const measurements: Measurement[] = [];

function add(found: readonly Measurement[]): void {
  for (const measurement of found) {
    measurements.push(measurement);
    console.log(lineOf(measurement));
  }
}

const folder = await mkdtemp(join(values.folder, "requant-bench-"));
try {
  const native = findNativeGgml();
  if (native === undefined) console.log("node-llama-cpp has no library for this machine: no native figures");
  const types = values.types.split(",").filter((type) => type !== "");
  if (wanted.has("start-up")) add(await measureStartUp(folder, quick ? 5 : 21));
  if (wanted.has("header")) add(await measureHeader(folder, quick ? 1 : 5));
  if (wanted.has("limits")) add(measureLimits(options));
  if (wanted.has("kernels")) for (const found of measureKernels(native, types, options)) add(found);
  if (wanted.has("large")) for (const found of measureLarge(native, options)) add(found);
  if (wanted.has("linear")) add(measureLinear(folder, options));
  if (wanted.has("formats")) for (const found of measureFormats(options)) add(found);
  if (wanted.has("hidden-grids")) for (const found of measureHiddenGrids(options)) add(found);
  if (wanted.has("convert")) {
    const gigabytes = Number(values.gigabytes);
    add(await measureConvert(folder, { gigabytes, threads: Number(values.threads), rounds }));
  }
  if (wanted.has("packed")) {
    const gigabytes = Number(values.gigabytes);
    add(await measurePacked(folder, { gigabytes, threads: Number(values.threads), rounds }));
  }
} finally {
  await rm(folder, { recursive: true });
}

const facts = {
  date: new Date().toISOString().slice(0, 10),
  machine: machineFacts(loadAtStart),
  options: { quick, gigabytes: Number(values.gigabytes), threads: Number(values.threads) },
};

/** The measurements of one file: new ones where there are any. */
async function resultsOf(file: URL, isOwn: (part: PartName) => boolean): Promise<Results> {
  const own = measurements.filter(({ part }) => isOwn(part));
  if (own.length === 0) return JSON.parse(await readFile(file, "utf8"));
  const results: Results = { ...facts, measurements: own };
  await writeFile(file, `${JSON.stringify(results, undefined, 1)}\n`);
  return results;
}

if (!values.print) {
  const root = new URL("../", import.meta.url);
  const isFormat = (part: PartName): boolean => formatParts.includes(part);
  const results = await resultsOf(new URL("bench/results.json", root), (part) => !isFormat(part));
  const formats = await resultsOf(new URL("bench/formats.json", root), isFormat);
  await writeFile(new URL("docs/benchmarks.md", root), benchmarkPage(results, formats));
}

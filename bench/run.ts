/**
 * Benchmarks of this machine: writes bench/results.json and docs/benchmarks.md.
 *   pnpm bench [part …] [--quick] [--gigabytes 1] [--threads 2] [--folder <for temporary files>] [--keep]
 * Parts: see results.ts; all of them by default. A page with some parts has only these.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureConvert } from "./convert.ts";
import { measureFormats } from "./formats.ts";
import { measureHeader } from "./header.ts";
import type { InterleaveOptions } from "./interleave.ts";
import { measureKernels, measureLarge } from "./kernels.ts";
import { measureLimits } from "./limits.ts";
import { measureLinear } from "./linear.ts";
import { machineFacts } from "./machine.ts";
import { findNativeGgml } from "./native.ts";
import { measurePacked } from "./packed.ts";
import { benchmarkPage, lineOf } from "./page.ts";
import { type Measurement, type PartName, partNames, type Results } from "./results.ts";
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

const results: Results = {
  date: new Date().toISOString().slice(0, 10),
  machine: machineFacts(loadAtStart),
  options: { quick, gigabytes: Number(values.gigabytes), threads: Number(values.threads) },
  measurements,
};
if (!values.print) {
  const root = new URL("../", import.meta.url);
  await writeFile(new URL("bench/results.json", root), `${JSON.stringify(results, undefined, 1)}\n`);
  await writeFile(new URL("docs/benchmarks.md", root), benchmarkPage(results));
}

/**
 * Benchmarks of this machine: writes bench/results.json and docs/benchmarks.md.
 *   pnpm bench [part …] [--quick] [--gigabytes 1] [--threads 2] [--folder <for temporary files>] [--print]
 * Parts: see results.ts; all of them by default. The figures of other parts stay as they are, with their date and
 * machine. --gigabytes-importance, --gigabytes-edits and --gigabytes-growth are the sizes of some parts' models.
 * --print writes nothing but lines on standard output. --page measures nothing and makes the page from stored figures.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import { join } from "node:path";
import { machineFacts } from "./machine.ts";
import { findNativeGgml } from "./native.ts";
import { options, parts } from "./options.ts";
import { lineOf } from "./page/cells.ts";
import { benchmarkPage } from "./page.ts";
import { type Measurement, type Results, type Run, type Skipped, withRun } from "./results.ts";

const root = new URL("../", import.meta.url);
const file = new URL("bench/results.json", root);

async function readJson<Content>(url: URL): Promise<Content> {
  return JSON.parse(await readFile(url, "utf8"));
}

/** All measurements of a part, printed as they come. */
async function measured(found: ReturnType<(typeof parts)[number]["measure"]>): Promise<Measurement[]> {
  const all: Measurement[] = [];
  for await (const measurements of found) {
    for (const measurement of measurements) {
      all.push(measurement);
      console.log(lineOf(measurement));
    }
  }
  return all;
}

async function measureParts(): Promise<Run> {
  const loadAtStart = loadavg()[0] ?? 0;
  const measurements: Measurement[] = [];
  const skipped: Skipped[] = [];
  const folder = await mkdtemp(join(options.folder, "requant-bench-"));
  try {
    if (findNativeGgml() === undefined)
      console.log("node-llama-cpp has no library for this machine: no native figures");
    for (const { name, whyNot, measure } of parts) {
      if (whyNot !== undefined) {
        console.log(`${name}: not measured: ${whyNot}`);
        skipped.push({ part: name, reason: whyNot });
        continue;
      }
      const place = await mkdtemp(join(folder, "part-"));
      try {
        for (const measurement of await measured(measure(place))) measurements.push(measurement);
      } catch (error) {
        // the figures of other parts may be those of an hour
        console.error(`${name}: failed:`, error);
        process.exitCode = 1;
      }
      await rm(place, { recursive: true });
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  const { quick, gigabytes, threads } = options;
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: machineFacts(loadAtStart),
    options: { quick, gigabytes, threads },
    measurements,
    skipped,
  };
}

let results = await readJson<Results>(file);
if (!options.page) results = withRun(results, await measureParts());
if (!options.print) {
  await writeFile(file, `${JSON.stringify(results, undefined, 1)}\n`);
  const peers = await readJson<Run>(new URL("bench/peers.json", root));
  await writeFile(new URL("docs/benchmarks.md", root), benchmarkPage(results, peers));
}

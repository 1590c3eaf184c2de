/** The options of `pnpm bench`, and what each part measures with them. */
import { availableParallelism, tmpdir } from "node:os";
import { parseArgs } from "node:util";
import { measureBrowser, whyNoBrowser } from "./browser.ts";
import { measureConvert, measureImportance } from "./convert.ts";
import { measureEdits } from "./edits.ts";
import { measureFormats } from "./formats.ts";
import { measureGrowth } from "./growth.ts";
import { measureHeader } from "./header.ts";
import { measureHf } from "./hf.ts";
import { measureHiddenGrids } from "./hidden-grids.ts";
import type { InterleaveOptions } from "./interleave.ts";
import { measureKernels, measureLarge } from "./kernels.ts";
import { measureLimits } from "./limits.ts";
import { measureLinear } from "./linear.ts";
import { findNativeGgml } from "./native.ts";
import { measurePacked } from "./packed.ts";
import { type Measurement, type PartName, partNames } from "./results.ts";
import { measureRounding } from "./rounding.ts";
import { measureStartUp } from "./start-up.ts";
import { measureVerify } from "./verify.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    gigabytes: { type: "string" },
    "gigabytes-importance": { type: "string" },
    "gigabytes-edits": { type: "string" },
    "gigabytes-growth": { type: "string" },
    threads: { type: "string", default: String(Math.min(2, availableParallelism())) },
    types: { type: "string", default: "" },
    folder: { type: "string", default: tmpdir() },
    print: { type: "boolean", default: false },
    page: { type: "boolean", default: false },
  },
});

const { quick } = values;
const size = (given: string | undefined, usual: number, small: number = usual / 20): number =>
  given === undefined ? (quick ? small : usual) : Number(given);

export interface Options {
  readonly quick: boolean;
  readonly gigabytes: number;
  readonly threads: number;
  readonly folder: string;
  readonly print: boolean;
  readonly page: boolean;
}

export const options: Options = {
  quick,
  gigabytes: size(values.gigabytes, 1),
  threads: Number(values.threads),
  folder: values.folder,
  print: values.print,
  page: values.page,
};

const unknown = positionals.filter((name) => !partNames.some((part) => part === name));
if (unknown.length > 0) throw new Error(`The parts are ${partNames.join(", ")}.`);

interface Part {
  readonly name: PartName;
  /** Why it cannot be measured here. */
  readonly whyNot?: string | undefined;
  measure(folder: string): AsyncIterable<Measurement[]> | Iterable<Measurement[] | Promise<Measurement[]>>;
}

const kernelOptions: InterleaveOptions = quick
  ? { rounds: 3, sampleSeconds: 0.005, warmUpSeconds: 0.02, taskSeconds: 1 }
  : { rounds: 15, sampleSeconds: 0.02, warmUpSeconds: 0.3, taskSeconds: 6 };
const rounds = quick ? 1 : 3;
const { gigabytes, threads } = options;
const usual = { gigabytes, threads, rounds };
const types = values.types.split(",").filter((type) => type !== "");

const measures: Readonly<Record<PartName, Part["measure"]>> = {
  "start-up": (folder) => [measureStartUp(folder, quick ? 5 : 21)],
  header: (folder) => [measureHeader(folder, quick ? 1 : 5)],
  limits: () => [measureLimits(kernelOptions)],
  kernels: () => measureKernels(findNativeGgml(), types, kernelOptions),
  large: () => measureLarge(findNativeGgml(), kernelOptions),
  linear: (folder) => [measureLinear(folder, kernelOptions)],
  formats: () => measureFormats(kernelOptions),
  "hidden-grids": () => measureHiddenGrids(kernelOptions),
  convert: (folder) => measureConvert(folder, usual),
  importance: (folder) =>
    measureImportance(folder, { ...usual, gigabytes: size(values["gigabytes-importance"], 0.1) }),
  hf: (folder) => [measureHf(folder, usual)],
  packed: (folder) => [measurePacked(folder, usual)],
  rounding: (folder) => measureRounding(folder, { ...usual, gigabytes: gigabytes / 5 }),
  edits: (folder) => measureEdits(folder, { rounds, gigabytes: size(values["gigabytes-edits"], 10) }),
  verify: (folder) => measureVerify(folder, usual),
  browser: (folder) => measureBrowser(folder, usual),
  growth: (folder) => measureGrowth(folder, { ...usual, gigabytes: size(values["gigabytes-growth"], 8, 2) }),
};

/** The parts to measure. */
export const parts: readonly Part[] = partNames
  .filter((name) => positionals.length === 0 || positionals.includes(name))
  .map((name) => ({
    name,
    measure: measures[name],
    whyNot: name === "browser" ? whyNoBrowser : undefined,
  }));

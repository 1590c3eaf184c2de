import { type ConversionReport, runFindings, runPlan, type Workers, webWorkers } from "@requant/convert";
import type { Finding } from "@requant/core";
import { browserStore } from "@requant/core/web";
import type { OutputPlace } from "../../conversion/choices.ts";
import { placeOf } from "../../storage/output-place.ts";
import type { Control } from "../control.ts";
import { planNumbered } from "../plans.ts";
import { watched } from "../watched.ts";

/** What a conversion made. */
export interface Converted {
  readonly name: string;
  readonly report: ConversionReport;
  readonly findings: readonly Finding[];
}

interface ConvertInput {
  readonly id: number;
  readonly planId: number;
  readonly place: OutputPlace;
  readonly resume: boolean;
  readonly overwrite: boolean;
  /** Most workers; undefined for as many as there are cores. */
  readonly jobs: number | undefined;
}

/** Runs a plan. */
export async function convert(input: ConvertInput, { signal, progress }: Control): Promise<Converted> {
  const { model, plan, imatrix, name } = planNumbered(input.id, input.planId);
  const inStorage = input.place.kind === "storage";
  const overwrite = inStorage || input.overwrite;
  const store = await browserStore(await placeOf(input.place, plan.target.format, name), { name, overwrite });
  const findings: Finding[] = [];
  const report = await runPlan(plan, model, store, {
    signal,
    overwrite,
    resume: input.resume,
    imatrix,
    workers: workersFor(input.jobs),
    bandByteLength: BAND_BYTE_LENGTH,
    onFinding: (finding) => findings.push(finding),
    onProgress: watched(progress),
  });
  return {
    name,
    report,
    findings: [...findings, ...runFindings(report)],
  };
}

function workersFor(jobs: number | undefined): Workers {
  const start = (): Worker => new Worker(new URL("../run-worker.ts", import.meta.url), { type: "module" });
  return webWorkers(start, { jobs });
}

/**
 * Each read of a chosen file crosses to the browser's process, which takes milliseconds: bands are larger than those of the
 * command. A worker holds two of them, as they are stored and as they are written.
 */
const BAND_BYTE_LENGTH = 8 * 1024 * 1024;

import {
  type ConversionReport,
  hashSource,
  type OutputStore,
  type Plan,
  runFindings,
  runPlan,
  type Workers,
  webWorkers,
} from "@requant/convert";
import { type Finding, IoError, UsageError } from "@requant/core";
import { browserStore } from "@requant/core/web";
import type { OutputPlace } from "../../conversion/choices.ts";
import { outputFolder } from "../../storage/own-storage.ts";
import type { Control } from "../control.ts";
import { planNumbered } from "../plans.ts";
import { wasmSha256 } from "../wasm-sha256.ts";

/** How far a conversion is, in bytes of its phase. */
export interface ConversionProgress {
  readonly phase: "write" | "check" | "hash";
  readonly file: string;
  readonly tensor: string | undefined;
  readonly done: number;
  readonly total: number;
  /** Bytes per second of this phase so far. */
  readonly speed: number;
  /** Undefined until it can be told. */
  readonly secondsLeft: number | undefined;
}

type Step = Omit<ConversionProgress, "speed" | "secondsLeft">;

/** A file that was made. */
export interface MadeFile {
  readonly name: string;
  readonly byteLength: number;
  readonly sha256: string;
}

/** What a conversion made. */
export interface Converted {
  readonly name: string;
  readonly files: readonly MadeFile[];
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

/** Runs a plan, and hashes what it made. */
export async function convert(input: ConvertInput, { signal, progress }: Control): Promise<Converted> {
  const { model, plan, imatrix, name } = planNumbered(input.id, input.planId);
  const inStorage = input.place.kind === "storage";
  const overwrite = inStorage || input.overwrite;
  const store = await browserStore(await folderOf(input.place, plan, name), { name, overwrite });
  const findings: Finding[] = [];
  const tell = watched(progress);
  const report = await runPlan(plan, model, store, {
    signal,
    overwrite,
    resume: input.resume,
    imatrix,
    workers: workersFor(input.jobs),
    bandByteLength: BAND_BYTE_LENGTH,
    onFinding: (finding) => findings.push(finding),
    onProgress: tell,
  });
  return {
    name,
    files: await hashed(store, plan, signal, tell),
    report,
    findings: [...findings, ...runFindings(report)],
  };
}

/** A model of one file goes into the folder itself, as a file of that name; others get a folder inside. */
async function folderOf(place: OutputPlace, plan: Plan, name: string): Promise<FileSystemDirectoryHandle> {
  try {
    if (place.kind === "storage") return await outputFolder(name);
    return plan.target.format === "gguf"
      ? place.handle
      : await place.handle.getDirectoryHandle(name, { create: true });
  } catch (cause) {
    if (cause instanceof TypeError) {
      throw new UsageError(`The browser does not allow the name "${name}".`, {
        cause,
        hint: "Choose a name without slashes and other signs.",
      });
    }
    throw new IoError("The folder of the output cannot be opened.", {
      path: name,
      cause,
      hint: "Choose a folder again, or use the browser's storage outside a private window.",
    });
  }
}

function workersFor(jobs: number | undefined): Workers {
  const start = (): Worker => new Worker(new URL("../run-worker.ts", import.meta.url), { type: "module" });
  return webWorkers(start, { jobs });
}

/** A tab must not take as much memory as a command may. */
const BAND_BYTE_LENGTH = 1024 * 1024;

/** More often a person sees nothing new. */
const INTERVAL_MS = 100;

/** Tells the page of some of the steps, with the speed. A run that resumes begins somewhere in the middle. */
function watched(progress: Control["progress"]): (step: Step) => void {
  let told = Number.NEGATIVE_INFINITY;
  let begin: { readonly phase: Step["phase"]; readonly at: number; readonly done: number } | undefined;
  return (step) => {
    const now = performance.now();
    if (begin?.phase !== step.phase) begin = { phase: step.phase, at: now, done: step.done };
    if (now - told < INTERVAL_MS && step.done < step.total) return;
    told = now;
    const seconds = (now - begin.at) / 1000;
    const speed = seconds === 0 ? 0 : (step.done - begin.done) / seconds;
    const secondsLeft = speed === 0 ? undefined : (step.total - step.done) / speed;
    const value: ConversionProgress = { ...step, speed, secondsLeft };
    progress(value);
  };
}

async function hashed(
  store: OutputStore,
  plan: Plan,
  signal: AbortSignal,
  tell: (step: Step) => void,
): Promise<MadeFile[]> {
  const total = plan.files.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const made: MadeFile[] = [];
  let before = 0;
  for (const { name, byteLength } of plan.files) {
    const source = await store.open(name);
    if (source === undefined) {
      throw new IoError("The file is not there any more.", { path: name, hint: "Convert again." });
    }
    const onProgress = (done: number): void =>
      tell({ phase: "hash", file: name, tensor: undefined, done: before + done, total });
    try {
      const hash = await wasmSha256();
      const createHash = hash === undefined ? undefined : () => hash;
      made.push({ name, byteLength, sha256: await hashSource(source, { createHash, signal, onProgress }) });
    } finally {
      await source.close();
    }
    before += byteLength;
  }
  return made;
}

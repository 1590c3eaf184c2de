/** How far long work is, told to the page. */
import type { Control } from "./control.ts";

/** How far work is, in bytes of its phase. */
export interface WorkProgress {
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

type Step = Omit<WorkProgress, "speed" | "secondsLeft">;

/** More often a person sees nothing new. */
const INTERVAL_MS = 100;

/** Tells the page of some of the steps, with the speed. A run that resumes begins somewhere in the middle. */
export function watched(progress: Control["progress"]): (step: Step) => void {
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
    const value: WorkProgress = { ...step, speed, secondsLeft };
    progress(value);
  };
}

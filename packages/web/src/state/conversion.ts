/** What a person chose about the conversion of each open model, its plan, and its run. It outlives the views. */
import { type Signal, signal } from "@preact/signals";
import { type ConversionChoices, noChoices, type OutputPlace } from "../conversion/choices.ts";
import { call, refusalFrom } from "../host/client.ts";
import type { Converted } from "../host/methods/convert.ts";
import type { PlannedConversion } from "../host/methods/plan.ts";
import type { TargetParts } from "../host/methods/targets.ts";
import type { Refusal } from "../host/protocol.ts";
import type { WorkProgress } from "../host/watched.ts";
import { refreshStored } from "./stored-outputs.ts";

export type PlanState =
  | { readonly kind: "none" }
  | {
      readonly kind: "planned";
      readonly plan: PlannedConversion;
      readonly before: PlannedConversion | undefined;
    }
  | { readonly kind: "refused"; readonly refusal: Refusal };

export type RunState =
  | { readonly kind: "none" }
  | { readonly kind: "running"; readonly progress: WorkProgress | undefined }
  | { readonly kind: "done"; readonly converted: Converted; readonly place: OutputPlace }
  /** `isKept`: what is finished waits for a run that resumes. */
  | { readonly kind: "stopped"; readonly isKept: boolean }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** The SHA-256 of what a run made, which takes longer than some runs: the files can be used before it is known. */
export type DigestState =
  | { readonly kind: "none" }
  | { readonly kind: "running"; readonly progress: WorkProgress | undefined }
  /** Of each file, in the order of the files. */
  | { readonly kind: "done"; readonly digests: readonly string[] }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** How a run is started. */
export interface StartOptions {
  readonly resume: boolean;
}

/** Typing makes no plan for every letter. */
const SETTLE_MS = 200;

export class Conversion {
  readonly choices: Signal<ConversionChoices> = signal(noChoices);
  /** The target taken apart; undefined while what is typed is none. */
  readonly parts: Signal<TargetParts | undefined> = signal(undefined);
  readonly place: Signal<OutputPlace> = signal({ kind: "storage" });
  readonly overwrite: Signal<boolean> = signal(false);
  readonly jobs: Signal<number> = signal(navigator.hardwareConcurrency);
  readonly planning: Signal<boolean> = signal(false);
  readonly plan: Signal<PlanState> = signal({ kind: "none" });
  readonly run: Signal<RunState> = signal({ kind: "none" });
  readonly digest: Signal<DigestState> = signal({ kind: "none" });
  private readonly modelId: number;
  private planAbort: AbortController | undefined;
  private runAbort: AbortController | undefined;
  private digestAbort: AbortController | undefined;
  private lastPlan: PlannedConversion | undefined;

  constructor(modelId: number) {
    this.modelId = modelId;
  }

  choose(some: Partial<ConversionChoices>): void {
    this.choices.value = { ...this.choices.value, ...some };
    void this.replan();
  }

  /** A target that was put together: the next choice builds on it, before the host has read it. */
  chooseParts(parts: TargetParts): void {
    this.parts.value = parts;
    this.choose({ target: `${parts.format}:${parts.text}` });
  }

  private async replan(): Promise<void> {
    this.planAbort?.abort();
    const abort = new AbortController();
    this.planAbort = abort;
    const choices = this.choices.value;
    if (choices.target.trim() === "") {
      this.parts.value = undefined;
      this.plan.value = { kind: "none" };
      this.planning.value = false;
      return;
    }
    this.planning.value = true;
    await new Promise((settled) => setTimeout(settled, SETTLE_MS));
    if (abort.signal.aborted) return;
    try {
      const parts = await call("targetParts", choices.target);
      if (abort.signal.aborted) return;
      this.parts.value = parts;
      const plan = await call("plan", { id: this.modelId, choices }, { signal: abort.signal });
      if (abort.signal.aborted) return;
      this.plan.value = { kind: "planned", plan, before: this.lastPlan };
      this.lastPlan = plan;
    } catch (error) {
      if (!abort.signal.aborted) this.plan.value = { kind: "refused", refusal: refusalFrom(error) };
    } finally {
      if (!abort.signal.aborted) this.planning.value = false;
    }
  }

  async start({ resume }: StartOptions): Promise<void> {
    const { value: planned } = this.plan;
    if (planned.kind !== "planned" || this.run.value.kind === "running") return;
    // the files that it reads may be replaced
    this.digestAbort?.abort();
    this.digest.value = { kind: "none" };
    const abort = new AbortController();
    this.runAbort = abort;
    const place = this.place.value;
    this.run.value = { kind: "running", progress: undefined };
    try {
      const converted = await call(
        "convert",
        {
          id: this.modelId,
          planId: planned.plan.planId,
          place,
          resume,
          overwrite: this.overwrite.value,
          jobs: this.jobs.value,
        },
        {
          signal: abort.signal,
          onProgress: (value) => {
            this.run.value = { kind: "running", progress: value as WorkProgress };
          },
        },
      );
      this.run.value = { kind: "done", converted, place };
      void this.hash(converted, place);
    } catch (error) {
      const refusal = refusalFrom(error);
      this.run.value = refusal.isStopped
        ? { kind: "stopped", isKept: place.kind === "storage" }
        : { kind: "refused", refusal };
    } finally {
      this.runAbort = undefined;
      void refreshStored();
    }
  }

  private async hash({ name, report }: Converted, place: OutputPlace): Promise<void> {
    const abort = new AbortController();
    this.digestAbort = abort;
    const set = (state: DigestState): void => {
      if (!abort.signal.aborted) this.digest.value = state;
    };
    set({ kind: "running", progress: undefined });
    const onProgress = (value: unknown): void => set({ kind: "running", progress: value as WorkProgress });
    try {
      const input = { name, target: report.target, place };
      const digests = await call("hashOutput", input, { signal: abort.signal, onProgress });
      set({ kind: "done", digests });
    } catch (error) {
      set({ kind: "refused", refusal: refusalFrom(error) });
    }
  }

  stop(): void {
    this.runAbort?.abort();
  }

  close(): void {
    this.planAbort?.abort();
    this.digestAbort?.abort();
    this.stop();
  }
}

const conversions = new Map<number, Conversion>();

export function conversionOf(modelId: number): Conversion {
  const known = conversions.get(modelId);
  if (known !== undefined) return known;
  const conversion = new Conversion(modelId);
  conversions.set(modelId, conversion);
  return conversion;
}

/** Stops what runs for a model that is closed. */
export function forgetConversion(modelId: number): void {
  conversions.get(modelId)?.close();
  conversions.delete(modelId);
}

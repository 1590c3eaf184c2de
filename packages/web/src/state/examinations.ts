/** What is wrong with each open model, as far as it was looked for. It outlives the views. */
import { type Signal, signal } from "@preact/signals";
import type { Finding } from "@requant/core";
import { call, refusalFrom } from "../host/client.ts";
import type { OpenedModel } from "../host/methods/open.ts";

export class Examination {
  readonly findings: Signal<readonly Finding[]>;
  /** How much of the weights was read; undefined while nobody reads them. */
  readonly share: Signal<number | undefined> = signal(undefined);
  private readonly model: OpenedModel;
  private readonly ofHeaders: Promise<void>;
  private abort = new AbortController();

  constructor(model: OpenedModel) {
    this.model = model;
    this.findings = signal(model.findings);
    this.ofHeaders = this.examine(false);
  }

  async readWeights(): Promise<void> {
    if (this.share.value !== undefined) return;
    this.abort = new AbortController();
    this.share.value = 0;
    // what it would find is a part of what the weights show, and must not replace that
    await this.ofHeaders;
    await this.examine(true);
    this.share.value = undefined;
  }

  stop(): void {
    this.abort.abort();
  }

  private async examine(weights: boolean): Promise<void> {
    const onProgress = (value: unknown): void => {
      const { done, total } = value as { done: number; total: number };
      if (weights) this.share.value = total === 0 ? 0 : done / total;
    };
    try {
      const { signal: stop } = this.abort;
      const report = await call("doctor", { id: this.model.id, weights }, { signal: stop, onProgress });
      this.findings.value = report.findings;
    } catch (error) {
      const refusal = refusalFrom(error);
      if (!refusal.isStopped) this.findings.value = [refusal, ...this.model.findings];
    }
  }
}

const examinations = new Map<number, Examination>();

export function examinationOf(model: OpenedModel): Examination {
  const known = examinations.get(model.id) ?? new Examination(model);
  examinations.set(model.id, known);
  return known;
}

/** Stops what runs for a model that is closed. */
export function forgetExamination(modelId: number): void {
  examinations.get(modelId)?.stop();
  examinations.delete(modelId);
}

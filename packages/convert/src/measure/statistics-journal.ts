/** What a pass over a text has finished, beside its working file: what it is, then a line for each layer. */
import { UsageError } from "@requant/core";
import * as z from "zod/mini";
import { sealed, sealedLines } from "../run/outputs/sealed-lines.ts";

const MAGIC = "requant-statistics-journal-1";

/** A layer, or the head, that is summed and written. */
export interface FinishedStep {
  readonly step: number;
  readonly tokens: Readonly<Record<string, readonly number[]>>;
}

const stepSchema: z.ZodMiniType<FinishedStep> = z.object({
  step: z.number(),
  tokens: z.record(z.string(), z.array(z.number())),
});

export interface StatisticsJournal {
  /** In order, from the first on. */
  readonly steps: readonly FinishedStep[];
  /** Bytes of the lines that are whole. */
  readonly byteLength: number;
}

/** @param run identifies everything that decides the bytes */
export function headLine(run: string): Uint8Array {
  return sealed(`${MAGIC} ${run}`);
}

export function stepLine(step: FinishedStep): Uint8Array {
  return sealed(JSON.stringify(step));
}

/**
 * Reads all lines up to the first incomplete one.
 * @throws UsageError when the lines are of another run
 */
export function parseStatisticsJournal(bytes: Uint8Array, run: string, path: string): StatisticsJournal {
  const steps: FinishedStep[] = [];
  let byteLength = 0;
  for (const { text, end } of sealedLines(bytes)) {
    if (byteLength === 0) {
      if (text !== `${MAGIC} ${run}`) throw otherRun(path);
    } else {
      const parsed = stepSchema.safeParse(JSON.parse(text));
      if (!parsed.success || parsed.data.step !== steps.length) break;
      steps.push(parsed.data);
    }
    byteLength = end;
  }
  return { steps, byteLength };
}

export function otherRun(path: string): UsageError {
  return new UsageError(
    "What an earlier run has left here is of another model, another text or other settings.",
    { path, hint: "Give the same options as then, or start over without resuming." },
  );
}

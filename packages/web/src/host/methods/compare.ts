import { type MetadataLine, type VerifyReport, verifyFindings, verifyModels } from "@requant/convert";
import type { Finding } from "@requant/core";
import type { Control } from "../control.ts";
import { linesOf } from "../metadata-lines.ts";
import { modelNumbered } from "../models.ts";

/** One key that the models do not have alike. */
export interface MetadataPair {
  readonly key: string;
  readonly a: string | undefined;
  readonly b: string | undefined;
}

export interface ComparedModels {
  readonly report: VerifyReport;
  readonly findings: readonly Finding[];
}

export interface PairRequest {
  readonly a: number;
  readonly b: number;
}

/** Compares all weights. Progress is `{ tensor, share }`. */
export async function compare({ a, b }: PairRequest, { signal, progress }: Control): Promise<ComparedModels> {
  const report = await verifyModels(modelNumbered(a), modelNumbered(b), {
    signal,
    onProgress: (tensor, done, total) => progress({ tensor, share: total === 0 ? 1 : done / total }),
  });
  return { report, findings: verifyFindings(report) };
}

/** The metadata keys, or settings, that differ; of models whose formats name them alike. */
export async function compareMetadata({ a, b }: PairRequest): Promise<readonly MetadataPair[]> {
  const [linesA, linesB] = [wholeLines(a), wholeLines(b)];
  const keys = new Set([...linesA.keys(), ...linesB.keys()]);
  return [...keys].flatMap((key) => {
    const [one, other] = [linesA.get(key), linesB.get(key)];
    if (one?.value !== other?.value) return [{ key, a: one?.value, b: other?.value }];
    return one?.type === other?.type ? [] : [{ key, a: typed(one), b: typed(other) }];
  });
}

/** More elements than a listing shows: vocabularies are compared whole. */
function wholeLines(id: number): ReadonlyMap<string, MetadataLine> {
  const lines = linesOf(modelNumbered(id), Number.POSITIVE_INFINITY);
  return new Map(lines.map((line) => [line.key, line]));
}

/** The same text can be another value: "1" and 1. */
function typed(line: MetadataLine | undefined): string | undefined {
  return line === undefined ? undefined : `${line.type}: ${line.value}`;
}

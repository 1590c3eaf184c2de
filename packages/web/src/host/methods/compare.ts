import {
  type MetadataLine,
  metadataLines,
  type VerifyReport,
  verifyFindings,
  verifyModels,
} from "@requant/convert";
import type { Finding } from "@requant/core";
import type { Control } from "../control.ts";
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
  const [linesA, linesB] = [linesOf(a), linesOf(b)];
  const keys = new Set([...linesA.keys(), ...linesB.keys()]);
  return [...keys].flatMap((key) => {
    const [one, other] = [linesA.get(key), linesB.get(key)];
    return one === other ? [] : [{ key, a: one, b: other }];
  });
}

/** More elements than a listing shows: vocabularies are compared whole. */
function linesOf(id: number): ReadonlyMap<string, string> {
  const { gguf, hf } = modelNumbered(id);
  const lines: readonly MetadataLine[] =
    gguf === undefined ? [] : metadataLines(gguf.metadata, Number.POSITIVE_INFINITY);
  const config = Object.entries(hf?.config ?? {}).map(
    ([key, value]) => [key, JSON.stringify(value)] as const,
  );
  return new Map([...lines.map(({ key, value }) => [key, value] as const), ...config]);
}

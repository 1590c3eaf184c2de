import {
  conversionWarnings,
  distinctFindings,
  notesOf,
  type PlanOptions,
  type PlanReport,
  parseTarget,
  planConversion,
  planReport,
  type TargetSize,
} from "@requant/convert";
import { memorySource } from "@requant/core";
import { parseBitsPerWeight, parseByteSize } from "@requant/core/text";
import { imatrixWeights, readImatrix } from "@requant/gguf";
import { type ConversionChoices, outputName } from "../../conversion/choices.ts";
import type { Control } from "../control.ts";
import { modelNumbered } from "../models.ts";
import { keepPlan } from "../plans.ts";

/** A plan as the page shows it. */
export interface PlannedConversion extends PlanReport {
  readonly planId: number;
  /** Of the file or folder that is made. */
  readonly name: string;
}

interface PlanInput {
  readonly id: number;
  readonly choices: ConversionChoices;
}

export async function plan({ id, choices }: PlanInput, { signal }: Control): Promise<PlannedConversion> {
  const model = modelNumbered(id);
  const target = parseTarget(choices.target);
  const name = choices.name.trim() || outputName(model.name, target.text);
  const imatrix = await imatrixOf(choices.imatrix);
  const made = await planConversion(model, target, {
    ...optionsOf(choices),
    outputName: name,
    imatrix,
    signal,
  });
  signal.throwIfAborted();
  const planId = keepPlan(id, { model, plan: made, imatrix: imatrix?.weights, name });
  const report = planReport(made);
  const findings = distinctFindings([
    ...(await conversionWarnings(made, model)),
    ...notesOf(report.findings),
  ]);
  return { ...report, findings, planId, name };
}

function optionsOf(choices: ConversionChoices): PlanOptions {
  const { exact, grids, pure, allowRequantize, requantizeRest } = choices;
  return {
    exact: exact || undefined,
    grids: grids || undefined,
    pure: pure || undefined,
    allowRequantize: allowRequantize || undefined,
    requantizeRest: requantizeRest || undefined,
    outputTensorType: given(choices.outputTensor)?.toUpperCase(),
    tokenEmbeddingType: given(choices.tokenEmbedding)?.toUpperCase(),
    shardSize: sizeOf(choices.shardSize),
    targetSize: targetSizeOf(choices.size),
  };
}

function given(text: string): string | undefined {
  return text.trim() === "" ? undefined : text.trim();
}

function sizeOf(text: string): number | undefined {
  const size = given(text);
  return size === undefined ? undefined : parseByteSize(size);
}

/** Bits per weight, or a size of all files with its unit. */
function targetSizeOf(text: string): TargetSize | undefined {
  const size = given(text);
  if (size === undefined) return undefined;
  return /^[\d.]+(?:bpw)?$/i.test(size)
    ? { bitsPerWeight: parseBitsPerWeight(size) }
    : { byteLength: parseByteSize(size) };
}

async function imatrixOf(file: File | undefined): Promise<PlanOptions["imatrix"]> {
  if (file === undefined) return undefined;
  const imatrix = await readImatrix(memorySource(new Uint8Array(await file.arrayBuffer()), file.name));
  return {
    weights: imatrixWeights(imatrix),
    origin: {
      file: file.name,
      dataset: imatrix.datasets[0],
      entryCount: imatrix.entries.size,
      chunkCount: imatrix.chunkCount,
    },
  };
}

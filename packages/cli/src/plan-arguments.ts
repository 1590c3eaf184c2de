import { basename, dirname, resolve } from "node:path";
import type { PlanOptions, RunOptions, TargetSize } from "@requant/convert";
import { UsageError } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { parseBitsPerWeight, parseByteSize, parseCount } from "@requant/core/text";
import { imatrixWeights } from "@requant/gguf";
import * as z from "zod";
import { readAssignments } from "./assignments.ts";
import { isCalibrationText, refuseWithoutText, withStatistics } from "./calibration-options.ts";
import { readImatrixFile } from "./imatrix-file.ts";

/** The options that decide what a conversion makes, as commander parsed them. */
export const conversionArguments = z.object({
  to: z.string(),
  exact: z.boolean().optional(),
  grids: z.boolean().optional(),
  shardSize: z.string().optional(),
  imatrix: z.string().optional(),
  calibrate: z.string().optional(),
  targetBpw: z.string().optional(),
  targetSize: z.string().optional(),
  samples: z.string().optional(),
  window: z.string().optional(),
  seed: z.string().optional(),
  device: z.string().optional(),
  pure: z.boolean().optional(),
  tensor: z.array(z.string()).optional(),
  outputTensor: z.string().optional(),
  tokenEmbedding: z.string().optional(),
  leaveOutput: z.boolean().optional(),
  keepSplit: z.boolean().optional(),
  pruneLayers: z.string().optional(),
  allowRequantize: z.boolean().optional(),
  requantizeRest: z.boolean().optional(),
  llamafy: z.boolean().optional(),
  includeWeights: z.array(z.string()).optional(),
  excludeWeights: z.array(z.string()).optional(),
  like: z.string().optional(),
  base: z.string().optional(),
  part: z.enum(["text", "mmproj", "all"]).optional(),
  set: z.array(z.string()).optional(),
});

/** The options of the commands that write what they convert. */
export const writtenArguments = conversionArguments.extend({
  plan: z.boolean().optional(),
  overwrite: z.boolean().optional(),
  jobs: z.number().optional(),
  resume: z.boolean().optional(),
  allowNonFinite: z.boolean().optional(),
  verify: z.boolean(),
});

export type ConversionArguments = z.infer<typeof conversionArguments>;

/** What a conversion is planned with, and the files that its run reads again. */
export interface ConversionOptions {
  /** Everything but the models that the command must open and close itself. */
  readonly plan: Omit<PlanOptions, "like" | "base">;
  readonly run: Pick<RunOptions, "imatrix" | "statistics">;
}

/**
 * Calls `use` with all but the statistics of a text, which are made only when the model is open. A file of statistics stays
 * open meanwhile.
 */
export async function withConversionOptions<T>(
  given: ConversionArguments,
  use: (options: ConversionOptions) => Promise<T>,
): Promise<T> {
  refuseWithoutText(given);
  const plan = await planOptions(given);
  const run = { imatrix: plan.imatrix?.weights };
  const { calibrate } = given;
  if (calibrate === undefined || isCalibrationText(calibrate)) return use({ plan, run });
  const location = { store: directoryStore(dirname(resolve(calibrate))), file: basename(calibrate) };
  return withStatistics(location, (statistics) =>
    use({ plan: { ...plan, statistics }, run: { ...run, statistics: location } }),
  );
}

async function planOptions(
  given: ConversionArguments,
): Promise<Omit<PlanOptions, "like" | "base" | "statistics">> {
  refuseFiltersAlone(given);
  return {
    exact: given.exact,
    grids: given.grids,
    part: given.part,
    pure: given.pure,
    allowRequantize: given.allowRequantize,
    requantizeRest: given.requantizeRest,
    llamafy: given.llamafy,
    leaveOutputTensor: given.leaveOutput,
    keepSplit: given.keepSplit,
    outputTensorType: given.outputTensor?.toUpperCase(),
    tokenEmbeddingType: given.tokenEmbedding?.toUpperCase(),
    pruneLayers: given.pruneLayers === undefined ? undefined : parseLayers(given.pruneLayers),
    shardSize: given.shardSize === undefined ? undefined : parseByteSize(given.shardSize),
    targetSize: targetSizeOf(given),
    tensorTypes: (given.tensor ?? []).map(parseTensorType),
    set: await readAssignments(given.set ?? []),
    ...(given.imatrix === undefined ? {} : await imatrixFrom(given.imatrix, given)),
  };
}

/** @throws UsageError for two sizes */
function targetSizeOf({ targetBpw, targetSize }: ConversionArguments): TargetSize | undefined {
  if (targetBpw !== undefined && targetSize !== undefined) {
    throw new UsageError("The options --target-bpw and --target-size ask for two sizes.", {
      hint: "Give one of them.",
    });
  }
  if (targetSize !== undefined) return { byteLength: parseByteSize(targetSize) };
  return targetBpw === undefined ? undefined : { bitsPerWeight: parseBitsPerWeight(targetBpw) };
}

function refuseFiltersAlone({ imatrix, includeWeights, excludeWeights }: ConversionArguments): void {
  if (imatrix !== undefined) return;
  for (const [flag, texts] of [
    ["--include-weights", includeWeights],
    ["--exclude-weights", excludeWeights],
  ] as const) {
    if ((texts?.length ?? 0) === 0) continue;
    throw new UsageError(`${flag} chooses entries of an importance matrix, and none is given.`, {
      hint: "Give one with --imatrix FILE.",
    });
  }
}

async function imatrixFrom(path: string, given: ConversionArguments): Promise<Pick<PlanOptions, "imatrix">> {
  const imatrix = await readImatrixFile(path);
  const filter = { include: given.includeWeights ?? [], exclude: given.excludeWeights ?? [] };
  return {
    imatrix: {
      weights: imatrixWeights(imatrix, filter),
      origin: {
        file: path,
        dataset: imatrix.datasets[0],
        entryCount: imatrix.entries.size,
        chunkCount: imatrix.chunkCount,
      },
    },
  };
}

function parseTensorType(text: string): { pattern: string; type: string } {
  const split = text.lastIndexOf("=");
  if (split <= 0 || split === text.length - 1) {
    throw new UsageError(`The option --tensor ${text} has no REGEX=ENCODING.`, {
      hint: "For example --tensor 'ffn_down=q6_k'.",
    });
  }
  return { pattern: text.slice(0, split), type: text.slice(split + 1).toUpperCase() };
}

function parseLayers(text: string): number[] {
  return text.split(",").map(parseCount);
}

import { readFile } from "node:fs/promises";
import type { PlanOptions } from "@requant/convert";
import { IoError, memorySource, UsageError } from "@requant/core";
import { imatrixWeights, readImatrix } from "@requant/gguf";
import * as z from "zod";
import { readAssignments } from "./assignments.ts";
import { parseByteSize, parseCount } from "./byte-size.ts";

/** The options of `convert` and `plan`, as commander parsed them. */
export const conversionArguments = z.object({
  to: z.string(),
  exact: z.boolean().optional(),
  grids: z.boolean().optional(),
  shardSize: z.string().optional(),
  imatrix: z.string().optional(),
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
  set: z.array(z.string()).optional(),
});

export type ConversionArguments = z.infer<typeof conversionArguments>;

/** Everything but `like`, which is a model that the command must open and close itself. */
export async function planOptions(given: ConversionArguments): Promise<Omit<PlanOptions, "like">> {
  refuseFiltersAlone(given);
  return {
    exact: given.exact,
    grids: given.grids,
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
    tensorTypes: (given.tensor ?? []).map(parseTensorType),
    set: await readAssignments(given.set ?? []),
    ...(given.imatrix === undefined ? {} : await imatrixFrom(given.imatrix, given)),
  };
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
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new IoError(`${path}: the importance matrix cannot be read.`, {
      path,
      cause,
      hint: "Check the path.",
    });
  });
  const imatrix = await readImatrix(memorySource(bytes, path));
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

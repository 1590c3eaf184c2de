import type { Finding } from "@requant/core";
import type { InputStatistics } from "@requant/core/solve";
import type { LinearInput } from "../observer.ts";

/** What calibration says about the inputs of one weight: of a single matrix, or of each matrix in a stack of experts. */
export interface StatisticsEntry {
  /** GGUF name of the weight. */
  readonly name: string;
  readonly columns: number;
  /** The number of matrices of a stack; undefined for a single matrix. */
  readonly experts: number | undefined;
  /** How many tokens each matrix saw. */
  readonly tokens: readonly number[];
  /** The statistics of one matrix. Zeros for an expert that no token reached. */
  read(matrix?: number): Promise<InputStatistics>;
  /** Mean of |x| alone. */
  readMeanAbs(matrix?: number): Promise<Float32Array>;
  /** Mean of x² alone, the diagonal of the moments. */
  readMeanSquares(matrix?: number): Promise<Float32Array>;
}

/** Experts that a message names one by one. */
const MOST_NAMED = 8;

/** The numbers of the experts that no token reached, for a message: "5, 17 and 80", "0, 1, 2, 3, 4, 5, 6, 7 and 4 more". */
export function unreachedExperts(tokens: readonly number[]): string {
  const all = [...tokens.keys()].filter((expert) => tokens[expert] === 0);
  const named = all.slice(0, all.length > MOST_NAMED ? MOST_NAMED : -1).join(", ");
  const last = all.length > MOST_NAMED ? `${all.length - MOST_NAMED} more` : String(all.at(-1) ?? "");
  return named === "" ? last : `${named} and ${last}`;
}

/** Experts that no token reached have no statistics: their weights are quantized without calibration. */
export function unusedExpertFindings(
  entries: Iterable<Pick<StatisticsEntry, "name" | "tokens">>,
): Finding<"unused-expert">[] {
  const findings: Finding<"unused-expert">[] = [];
  for (const { name, tokens } of entries) {
    const unused = tokens.filter((count) => count === 0).length;
    if (unused === 0) continue;
    findings.push({
      code: "unused-expert",
      severity: "warning",
      message: `No token of the text reached ${unused} of ${tokens.length} experts (${unreachedExperts(tokens)}): they are quantized without calibration.`,
      tensor: name,
      hint: "Calibrate with more text, or with text of more kinds.",
    });
  }
  return findings;
}

/** Names of weights, each with the name of the entry whose input it shares: what a file of statistics states as `shared`. */
export function sharedNames(inputs: readonly LinearInput[]): Readonly<Record<string, string>> {
  return Object.fromEntries(inputs.flatMap(({ name, sharedBy }) => sharedBy.map((other) => [other, name])));
}

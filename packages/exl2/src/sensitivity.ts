/** How much the errors of each weight count, by where exllamav2's modules stand in the model. */
import { streamSensitivities } from "@requant/core/solve";

/** A weight of the decoder, and the mean square of its output. */
export interface MeasuredModule {
  readonly module: string;
  readonly output: number | undefined;
}

/** Attention or the feed-forward block of one layer: everything below the layer's number but the last name. */
const BLOCK = /^(?<layer>.*?\.(?<number>\d+))\.(?<part>[^.]+)\./;

/** The last linear of a block, whose output is added to the stream (exllamav2, architecture.py). */
const WRITES = /\.(?:o_proj|out_proj|wo|dense|down_proj|w2|c_proj|fc2|dense_4h_to_h)$/;

/** Parts that are attention; they write before the feed-forward block of their layer. */
const ATTENTION = /attn|attention/;

/** A factor for each weight's relative error; 1 where nothing is known of its place or of the outputs. */
export function moduleSensitivities(modules: readonly MeasuredModule[]): number[] {
  const outputs = new Map<string, { order: number; output: number | undefined }>();
  const blocks = modules.map(({ module, output }) => {
    const { layer = "", number = "", part = "" } = BLOCK.exec(module)?.groups ?? {};
    if (part === "") return undefined;
    const key = `${layer}.${part}`;
    const known = outputs.get(key) ?? {
      order: 2 * Number(number) + (ATTENTION.test(part) ? 0 : 1),
      output: undefined,
    };
    // experts: each token goes through few of them, which add up to one output
    if (WRITES.test(module) && output !== undefined) known.output = Math.max(known.output ?? 0, output);
    outputs.set(key, known);
    return key;
  });
  const sorted = [...outputs].sort(([, a], [, b]) => a.order - b.order);
  const factors = streamSensitivities(sorted.map(([, { output }]) => output));
  const byBlock = new Map(sorted.map(([key], index) => [key, factors[index] ?? 1]));
  return blocks.map((key) => (key === undefined ? 1 : (byBlock.get(key) ?? 1)));
}

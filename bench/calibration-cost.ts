/** What calibration costs: the figures in `calibration.json`, and the section of docs/calibration.md that is made from them. */
import { table } from "./page/cells.ts";
import { machinePart } from "./page/machine-line.ts";
import type { Run, Spread } from "./results.ts";

/** The figures of one run of `calibration.ts`. */
export interface CalibrationCost extends Pick<Run, "date" | "machine"> {
  /** Layers of the slice that was measured. */
  readonly layers: number;
  /** The instructions that llama.cpp says it uses. */
  readonly llamaInstructions: string;
  /** Tokens of each forward pass. */
  readonly tokens: number;
  /** Seconds of each forward pass, divided by the layers. */
  readonly forward: { readonly requant: Spread; readonly llama: Spread };
  /** Tokens of the calibration. */
  readonly calibrationTokens: number;
  /** Seconds for the statistics of all layers of the slice. */
  readonly statisticsSeconds: number;
  /** Conversions of the slice, by target. */
  readonly conversions: Readonly<
    Record<string, { readonly wallSeconds: number; readonly peakBytes: number }>
  >;
}

/** The layers of the whole model. */
const LAYERS = 24;

/** Bits of the vectors that kernels in WebAssembly have. */
const OWN_BITS = 128;

const GOALS = { rate: 0.5, ratePerWidth: 1, minutes: 45 };

/** The widest vectors for f32 of the instructions that ggml names: `AVX512 = 1`. */
export function vectorBits(instructions: string): number {
  const has = (name: string): boolean => new RegExp(`\\b${name} = 1\\b`).test(instructions);
  if (has("AVX512")) return 512;
  return has("AVX") ? 256 : 128;
}

const minutes = (seconds: number): string => (seconds / 60).toFixed(1);

/** Numbers by the median, and in parentheses by the best run. */
function both({ median, least }: Spread, show: (seconds: number) => string): string {
  return `${show(median)} (${show(least)})`;
}

export function costSection(cost: CalibrationCost): string {
  const { layers, tokens, calibrationTokens, forward, statisticsSeconds, conversions } = cost;
  const rate = (seconds: number): string => (tokens / seconds / LAYERS).toFixed(0);
  const ratio: Spread = {
    median: forward.llama.median / forward.requant.median,
    least: forward.llama.least / forward.requant.least,
  };
  const bits = vectorBits(cost.llamaInstructions);
  const whole = (seconds: number): number => (seconds / layers) * LAYERS;
  const statistics = whole(statisticsSeconds);
  const converted = Object.entries(conversions).map(([target, { wallSeconds, peakBytes }]) => {
    const seconds = whole(wallSeconds);
    const [apart, together] = [minutes(seconds), minutes(statistics + seconds)];
    return [`\`${target}\``, minutes(statistics), apart, together, (peakBytes / 1e6).toFixed(0)];
  });
  return `## Cost

A made-up llama with the layers of a model of half a billion weights: hidden size 896, feed-forward 4864, 14 heads over 2, windows of 512 tokens. A slice of ${layers} layers was measured; the figures are for ${LAYERS} layers: ${LAYERS} ÷ ${layers} times those of the slice. ${machinePart(cost)}

Forward pass, layers only: ${tokens} tokens, ${cost.machine.cores} threads on both sides, in turns, the same windows and weights in F32. A first run of each side, in which threads start, does not count. Requant's time has the reading of each layer's weights in it; llama.cpp keeps them in memory. llama.cpp computes no more of its last layer than its output needs, so its time is the difference between a model of ${layers + 1} layers and a model of one. The vectors of WebAssembly have ${OWN_BITS} bits; those of llama.cpp here have ${bits} (it names ${cost.llamaInstructions}). Medians, and in parentheses the best runs.

${table(
  ["", "Requant", "llama.cpp", "Requant ÷ llama.cpp", "goal"],
  [
    [
      "tokens a second",
      both(forward.requant, rate),
      both(forward.llama, rate),
      both(ratio, (value) => value.toFixed(2)),
      `≥ ${GOALS.rate}`,
    ],
    [
      `the same, for each ${OWN_BITS} bits of a vector`,
      both(forward.requant, rate),
      both(forward.llama, (seconds) => rate((seconds * bits) / OWN_BITS)),
      both(ratio, (value) => ((value * bits) / OWN_BITS).toFixed(2)),
      `≥ ${GOALS.ratePerWidth}`,
    ],
  ],
)}

Calibration with ${calibrationTokens} tokens, in minutes: the statistics, which every target can use again, and \`requant convert --calibrate --no-verify\`. Each run of the slice counts as a whole, with the start of the program, and with embeddings and head, which are stored in BF16 and which a whole model has only once. So these are upper bounds. The goal for both together is less than ${GOALS.minutes} minutes.

${table(["", "statistics", "conversion", "together", "peak MB of the conversion"], converted)}

\`node --conditions=@requant/source bench/calibration.ts FOLDER [LAYERS]\` measures this section; the figures are in \`bench/calibration.json\`.
`;
}

/** The page with its last section made anew. */
export function withCost(page: string, cost: CalibrationCost): string {
  const start = page.indexOf("\n## Cost\n");
  return `${start < 0 ? page : page.slice(0, start)}\n${costSection(cost)}`;
}

/**
 * Published quality figures of quantized models, each with the place where it stands. Facts of others, for choosing: they
 * hold for the model that was measured, and for others in order of magnitude.
 */

/** Where figures were published. */
export interface FigureSource {
  readonly title: string;
  readonly url: string;
  /** What was measured on what. */
  readonly about: string;
}

/** Who published a figure. */
export type FigureSourceName = "llama.cpp-8B" | "llama.cpp-70B" | "arXiv-2404.14047";

/** What each source measured, and where it stands. */
export const figureSources: Readonly<Record<FigureSourceName, FigureSource>> = {
  "llama.cpp-8B": {
    title: "llama.cpp, tools/perplexity/README.md, LLaMA 3 8b scoreboard (revision f364eb6f)",
    url: "https://github.com/ggml-org/llama.cpp/blob/master/tools/perplexity/README.md",
    about: "Llama 3 8B, WikiText-2 test: ΔPPL and mean KL divergence to FP16, whose perplexity is 6.233",
  },
  "llama.cpp-70B": {
    title: "llama.cpp, tools/perplexity/README.md, Llama 2 70B scoreboard",
    url: "https://github.com/ggml-org/llama.cpp/blob/master/tools/perplexity/README.md",
    about: "Llama 2 70B, WikiText-2 test: ΔPPL to FP16, whose perplexity is 3.431",
  },
  "arXiv-2404.14047": {
    title: "Huang et al., How Good Are Low-bit Quantized LLaMA3 Models?, table 1",
    url: "https://arxiv.org/abs/2404.14047",
    about:
      "Llama 3 8B, WikiText-2: ΔPPL to FP16, whose perplexity is 6.1; groups of 128, calibrated / rounded to nearest",
  },
};

/** A published measurement of a target. */
export interface Figure {
  readonly source: FigureSourceName;
  /** Of the quantized model. */
  readonly perplexity: number;
  /** Above the float model's. */
  readonly increase: number;
  readonly klDivergence?: number | undefined;
  /** With an importance matrix, or calibrated. */
  readonly calibrated: boolean;
}

/** One way to store a model. */
export interface Candidate {
  /** As `parseTarget` takes it. */
  readonly target: string;
  /** Bits per weight of the packed matrices; of everything where `wholeModel`. */
  readonly bitsPerWeight: number;
  /** False: embeddings and head stay in 16 bits on top. */
  readonly wholeModel: boolean;
  readonly figures: readonly Figure[];
}

const FP16_8B = 6.233;
const FP16_70B = 3.4313;

/** ΔPPL and KL divergence on Llama 3 8B, plain and with an importance matrix. */
type Scores = readonly [increase: number, klDivergence: number];

function gguf(
  type: string,
  bitsPerWeight: number,
  plain: Scores | undefined,
  imatrix: Scores | undefined,
  perplexity70: number | undefined,
): Candidate {
  const of = (scores: Scores, calibrated: boolean): Figure => ({
    source: "llama.cpp-8B",
    perplexity: Number((FP16_8B + scores[0]).toFixed(3)),
    increase: scores[0],
    klDivergence: scores[1],
    calibrated,
  });
  return {
    target: `gguf:${type}`,
    bitsPerWeight,
    wholeModel: true,
    figures: [
      ...(plain === undefined ? [] : [of(plain, false)]),
      ...(imatrix === undefined ? [] : [of(imatrix, true)]),
      ...(perplexity70 === undefined
        ? []
        : [
            {
              source: "llama.cpp-70B" as const,
              perplexity: perplexity70,
              increase: Number((perplexity70 - FP16_70B).toFixed(4)),
              calibrated: false,
            },
          ]),
    ],
  };
}

/** Perplexity of calibrated codes, and of codes that were rounded to nearest, which is what `convert` does without data. */
function packed(
  target: string,
  bitsPerWeight: number,
  calibrated: number | undefined,
  rounded: number | undefined,
): Candidate {
  const of = (perplexity: number | undefined, isCalibrated: boolean): Figure[] =>
    perplexity === undefined
      ? []
      : [
          {
            source: "arXiv-2404.14047",
            perplexity,
            increase: Number((perplexity - 6.1).toFixed(1)),
            calibrated: isCalibrated,
          },
        ];
  return {
    target,
    bitsPerWeight,
    wholeModel: false,
    figures: [...of(calibrated, true), ...of(rounded, false)],
  };
}

/** Bits per weight of the GGUF types: llama.cpp, tools/quantize/README.md, Llama 3.1 8B; elsewhere by block size. */
export const candidates: readonly Candidate[] = [
  gguf("bf16", 16, undefined, undefined, undefined),
  gguf("f16", 16, [0.0015, 0.00055], undefined, 3.4313),
  gguf("q8_0", 8.5, [0.0027, 0.00136], undefined, undefined),
  gguf("q6_k", 6.56, [0.0217, 0.00545], undefined, 3.4367),
  gguf("q5_k_m", 5.7, [0.057, 0.01076], undefined, 3.4451),
  gguf("q5_k_s", 5.57, [0.105, 0.0166], undefined, 3.4483),
  gguf("q5_1", 6.04, [0.1062, 0.01805], undefined, undefined),
  gguf("q5_0", 5.57, [0.1316, 0.02224], undefined, 3.4744),
  gguf("q4_k_m", 4.89, [0.1755, 0.03127], [0.1513, 0.02815], 3.4725),
  gguf("q4_k_s", 4.67, [0.2689, 0.04314], [0.1781, 0.03195], 3.4852),
  gguf("iq4_nl", 4.65, undefined, [0.224, 0.03574], undefined),
  gguf("iq4_xs", 4.43, undefined, [0.2281, 0.03633], undefined),
  gguf("q4_1", 5.11, [0.4511, 0.07168], undefined, 3.5125),
  gguf("q4_0", 4.64, [0.4685, 0.07194], undefined, 3.555),
  gguf("q3_k_l", 4.31, [0.5562, 0.08718], [0.4396, 0.07308], 3.5617),
  gguf("q3_k_m", 4.0, [0.6569, 0.10191], [0.5026, 0.08436], 3.5932),
  gguf("iq3_m", 3.77, undefined, [0.6667, 0.10253], undefined),
  gguf("iq3_s", 3.66, undefined, [0.7339, 0.11128], undefined),
  gguf("iq3_xs", 3.5, undefined, [0.9314, 0.13869], undefined),
  gguf("iq3_xxs", 3.26, undefined, [1.2268, 0.18363], undefined),
  gguf("q3_k_s", 3.64, [1.6322, 0.22822], [1.3712, 0.19982], 3.7019),
  gguf("iq2_m", 2.93, undefined, [2.3692, 0.32599], undefined),
  gguf("q2_k", 3.16, [3.5199, 0.44513], [2.4162, 0.33222], 3.7339),
  gguf("q2_k_s", 2.97, undefined, [3.0921, 0.40336], undefined),
  gguf("iq2_s", 2.74, undefined, [3.4191, 0.4392], undefined),
  gguf("iq2_xs", 2.59, undefined, [4.5298, 0.54629], undefined),
  gguf("iq2_xxs", 2.38, undefined, [7.8601, 0.81202], undefined),
  gguf("iq1_m", 2.15, undefined, [19.2621, 1.39308], undefined),
  gguf("iq1_s", 2.0, undefined, [51.8661, 2.21128], undefined),
  packed("gptq:8bit-128g-sym", 8.19, undefined, undefined),
  packed("gptq:4bit-128g-sym", 4.16, 6.5, 8.5),
  packed("gptq:3bit-128g-sym", 3.15, 8.2, 27.9),
  packed("awq:gemm-128g", 4.16, 6.6, 8.5),
];

/**
 * Share of the parameters that are embeddings and head, which GPTQ and AWQ leave in 16 bits: as in the Llama 3 family,
 * 13 % of 8B and 3 % of 70B.
 */
function floatShare(parameters: number): number {
  return Math.min(0.35, 0.131 * (8.03e9 / parameters) ** 0.68);
}

/** Estimated bytes of a model of so many parameters, of which a share is embeddings and head. */
export function estimatedBytes(
  candidate: Candidate,
  parameters: number,
  embeddingShare: number = floatShare(parameters),
): number {
  const { bitsPerWeight, wholeModel } = candidate;
  const share = wholeModel ? 0 : embeddingShare;
  return Math.round((parameters * (bitsPerWeight * (1 - share) + 16 * share)) / 8);
}

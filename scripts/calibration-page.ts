/** docs/calibration.md: what stands above its table, and the table. `pnpm calibration-table` measures it. */

/** A row of the page: a target, beside the file that the format's own tool made. */
export interface CalibrationTarget {
  readonly target: string;
  /** The row of the golden set's results that the tool's file has; undefined where the golden set has none. */
  readonly reference?: string;
  /** KL × 1000 that calibration should reach. */
  readonly goal?: number;
}

/** What is measured: the goals of calibrated quantization, and one format that shares its solver. */
export const calibrationTargets: readonly CalibrationTarget[] = [
  { target: "gptq:4bit-128g-sym", reference: "gptq-4bit-g128-sym", goal: 7.4 },
  { target: "gptq:3bit-128g-sym", reference: "gptq-3bit-g128-sym", goal: 32 },
  { target: "gptq:4bit-32g-asym", reference: "gptq-4bit-g32-asym-act", goal: 4.2 },
  { target: "compressed-tensors:4bit-128g-sym" },
  { target: "awq:gemm-128g", reference: "awq-4bit-g128-gemm", goal: 10.5 },
  { target: "exl2:4.0bpw-h6", reference: "exl2-4.0bpw-h6", goal: 7.5 },
  { target: "exl2:2.7bpw-h6", reference: "exl2-2.7bpw-h6", goal: 58 },
  { target: "gguf:q6_k", reference: "gguf Q6_K imatrix", goal: 0.53 },
  { target: "gguf:q4_k_m", reference: "gguf Q4_K_M imatrix", goal: 6.0 },
  { target: "gguf:q4_0", reference: "gguf Q4_0 imatrix", goal: 7.5 },
  { target: "gguf:q3_k_m", reference: "gguf Q3_K_M imatrix", goal: 20 },
  { target: "gguf:q2_k", reference: "gguf Q2_K imatrix", goal: 95 },
];

/** A row with its figures. */
export interface CalibrationRow extends CalibrationTarget {
  readonly byteLength: number;
  /** KL × 1000 of the target without calibration. */
  readonly rounded: number;
  /** KL × 1000 of the format's own tool. */
  readonly tool: number | undefined;
  /** KL × 1000 of the target with calibration. */
  readonly calibrated: number;
}

const figure = (value: number | undefined): string =>
  value === undefined ? "" : value.toFixed(value < 1 ? 2 : 1);

function line({ target, byteLength, rounded, tool, calibrated, goal }: CalibrationRow): string {
  const cells = [
    `\`${target}\``,
    (byteLength / 1e6).toFixed(2),
    figure(rounded),
    figure(tool),
    figure(calibrated),
    goal === undefined ? "" : `≤ ${goal}`,
  ];
  return `| ${cells.join(" | ")} |`;
}

/** The whole page. */
export function calibrationDocument(rows: readonly CalibrationRow[]): string {
  return `# Calibration

Rounding chooses the nearest code for each weight. Calibration runs the model over a text first and sums, for each linear layer, how its inputs go together. Each weight is then solved: its codes make up for each other's errors in the layer's output, so the same number of bits loses less. The files have the layout of any other file of their format, and every program that reads the format reads them.

\`\`\`sh
requant calibrate MODEL --text text.txt -o statistics.safetensors
requant convert MODEL out.gguf --to gguf:q4_k_m --calibrate statistics.safetensors
requant evaluate out.gguf --base MODEL --text other-text.txt
\`\`\`

The first command may be left out: \`--calibrate text.txt\`, or \`--calibrate builtin\` for a small text that comes with Requant, makes the statistics on the way. Statistics that are kept serve every target. The text for the evaluation must be another one.

A table of embeddings is looked up and has no inputs. Where GGUF types quantize it, the rows of the first layer's weights, which read it, take their place.

## One small model

A llama of 2.3 million weights, trained on the King James Bible, and one text of the same kind: 52 windows of 256 tokens for the statistics, 74 others for the evaluation. The figures are the mean Kullback-Leibler divergence of the predicted tokens from those of the model in BF16, times 1000, over the second half of each window. Its standard error is about 2 % of the figure.

What the table shows: calibration against rounding in the same layout, and Requant against the format's own tool in the same layout. llama-quantize had an importance matrix of the same 52 windows; the other tools had 64 windows of 256 tokens, spread over the text that the model was trained on (ExLlamaV2 measured on 16 of them). What it does not show: which format is better. The sizes differ, since GPTQ, AWQ and compressed-tensors leave embeddings and head in BF16, and a large model loses less and in other places than a small one.

- size: millions of bytes of all files with weights
- rounded: Requant without calibration
- tool: GPTQModel, AutoAWQ, ExLlamaV2 or llama-quantize with an importance matrix; GPTQModel's file for \`gptq:4bit-32g-asym\` is in act order, with a group index for each column
- calibrated: Requant
- goal: what was asked of Requant before it was built

| target | size | rounded | tool | calibrated | goal |
|---|---:|---:|---:|---:|---:|
${rows.map(line).join("\n")}

\`pnpm calibration-table\` measures the table; it needs the golden set (\`REQUANT_GOLDEN\`).
`;
}

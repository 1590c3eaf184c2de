/** Libraries name their options in backticks; people who type commands know them by flags. */

/** Flags by the names of the options they set, in `@requant/convert` and in the packages below it. */
const FLAGS: Readonly<Record<string, string>> = {
  again: "--again",
  allowNonFinite: "--allow-non-finite",
  allowRequantize: "--allow-requantize",
  base: "--base MODEL",
  chunks: "--chunks",
  dtype: "--dtype",
  endpoint: "HF_ENDPOINT",
  exact: "--exact",
  force: "--force",
  grids: "--grids",
  imatrix: "--imatrix FILE",
  keepSplit: "--keep-split",
  leaveOutput: "--leave-output",
  leaveOutputTensor: "--leave-output",
  like: "--like FILE",
  llamafy: "--llamafy",
  outputTensor: "--output-tensor",
  outputTensorType: "--output-tensor",
  part: "--part",
  overwrite: "--overwrite",
  pruneLayers: "--prune-layers",
  pure: "--pure",
  requantizeRest: "--requantize-rest",
  resume: "--resume",
  samples: "--samples",
  seed: "--seed",
  set: "--set",
  statistics: "--calibrate FILE",
  shardSize: "--shard-size",
  targetSize: "--target-bpw or --target-size",
  tensors: "requant inspect --tensors",
  tensorTypes: "--tensor",
  token: "HF_TOKEN, or hf auth login",
  tokenEmbedding: "--token-embedding",
  tokenEmbeddingType: "--token-embedding",
  window: "--window",
};

/** The text with each option in backticks written as its flag; other words in backticks stay. */
export function spellOptions(text: string): string {
  return text.replace(/`([A-Za-z]{1,40})`/g, (quoted, name: string) =>
    Object.hasOwn(FLAGS, name) ? (FLAGS[name] ?? quoted) : quoted,
  );
}

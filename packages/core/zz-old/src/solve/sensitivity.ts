/**
 * How much a relative error of a weight counts, by where the weight stands in the model. All three constants were fitted on
 * one small model, golden/kjv (three layers), and were not checked on any other: an allocation for a larger model may give
 * the table of embeddings and the head more or fewer bits than is best.
 *
 * One weight at a time was quantized. KL × 1000 is about 60 × (1 + 5 × share) times the squared error of the layer's output
 * relative to that output, within a factor of two for 19 of the 21 layers; the share is that of the block's output in the
 * energy of the stream behind it. KL grows about 9 times as fast with the relative squared error of the weights of the token
 * embeddings, and of the head. The head is taken to count the same in any model, and a layer less the more layers there
 * are, so the head's constant is 9 ÷ 3 for each layer.
 */
const SHARE_FACTOR = 5;

/** How much the relative squared error of the token embeddings' weights counts. Fitted on one small model of three layers. */
export const EMBEDDING_SENSITIVITY = 9;

/** The same of the head, for each layer of the decoder. Fitted on one small model of three layers. */
export const HEAD_SENSITIVITY_PER_LAYER = 3;

/**
 * A factor for the relative errors of the weights of each block; the blocks add their outputs to one residual stream. It is
 * 1 to 6, by a rule that was fitted on one small model of three layers.
 * @param outputs for each block, in the order in which they write to the stream, the mean square of its output (summed over
 *   features); undefined where it is not known. What the stream holds before the first is taken to be as large as its output.
 */
export function streamSensitivities(outputs: readonly (number | undefined)[]): number[] {
  let stream = outputs.find((output) => output !== undefined) ?? 0;
  return outputs.map((output) => {
    if (output === undefined) return 1;
    stream += output;
    return 1 + SHARE_FACTOR * (stream > 0 ? output / stream : 0);
  });
}

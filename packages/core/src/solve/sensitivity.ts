/**
 * How much of a relative error reaches the model's output, for weights that write to the same residual stream one after
 * the other.
 *
 * Measured by quantizing one weight at a time of the model in golden/kjv: KL ×1000 is about 60 × (1 + 5 × share) times the
 * squared error of the layer's output relative to that output, within a factor of two for 19 of the 21 layers. The share is
 * that of the block's output in the energy of the stream behind it. KL grows about 9 times as fast with the relative squared
 * error of the token embeddings' and of the head's own weights; the head counts the same in any model, and a layer less the
 * more there are, so the head's number is 3 for each of that model's 3 layers.
 */
const SHARE_FACTOR = 5;

/** Of the token embeddings: the relative error of the weights themselves. */
export const EMBEDDING_SENSITIVITY = 9;

/** Of the head, for each layer of the decoder: the relative error of the weights themselves. */
export const HEAD_SENSITIVITY_PER_LAYER = 3;

/**
 * A factor for the relative errors of each block's weights.
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

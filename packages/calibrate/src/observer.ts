/** Gets the inputs of linear layers while a forward pass computes them. */
export interface Observer {
  /**
   * Called once for each batch of tokens and each input of linear layers.
   * @param name GGUF name of the weight; weights with the same input are reported once, under the name of the first
   * @param x input[tokens, columns]; only valid during the call, as the next step overwrites it
   * @param expert the number of the matrix, of a stack of experts
   */
  onInput(
    name: string,
    x: Float32Array,
    tokens: number,
    columns: number,
    expert?: number,
  ): void | Promise<void>;
}

/** One input that is reported, and the weights that read it. */
export interface LinearInput {
  /** GGUF name of the first weight that reads it. */
  readonly name: string;
  /** GGUF names of the other weights that read it. */
  readonly sharedBy: readonly string[];
  readonly columns: number;
  /** The number of matrices, of a stack of experts. */
  readonly experts?: number;
}

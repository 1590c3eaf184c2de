/** Weights that are known by their names, Hugging Face's and GGUF's, wherever in a model they stand. */

/** Modules of encoders of other senses, which the tools leave alone with all that is in them. */
export const OTHER_SENSE: RegExp = /^(?:(?:vision|audio|image|multi_modal)\w*|visual|\w*projector)$/;

/** Modules that turn token ids into vectors, under the names that families have for them. */
const TOKEN_EMBEDDING = /^(?:token_embd|embed_tokens|wte|embed_in|word_embeddings|tok_embeddings)$/;

/** Modules that turn vectors into scores of tokens. */
const HEAD = /(?:^|\.)(?:lm_head|embed_out)\.weight$|^(?:model\.)?output\.weight$/;

/** The matrix of token embeddings. */
export function isTokenEmbedding(name: string): boolean {
  const modules = name.split(".");
  return (
    modules.at(-1) === "weight" &&
    TOKEN_EMBEDDING.test(modules.at(-2) ?? "") &&
    !modules.some((module) => OTHER_SENSE.test(module))
  );
}

/** The last matrix of a model that writes text. */
export function isHead(name: string): boolean {
  return HEAD.test(name);
}

/** The weights whose size follows from the vocabulary, which most packings leave in floats. */
export function isEmbeddingOrHead(name: string): boolean {
  return isTokenEmbedding(name) || isHead(name);
}

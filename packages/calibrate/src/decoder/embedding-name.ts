/** GGUF name of the table of embeddings. In a file of its own: threads that make bands need it, and nothing else of a decoder. */
export const EMBEDDING_NAME = "token_embd.weight";

/**
 * What a parser accepts at most. The caller can change every value; each default has a reason. Counts are also checked
 * against the bytes that the file really has, whatever the limit.
 */
export interface Limits {
  /** Header bytes of one file (GGUF up to its tensor data, safetensors JSON). */
  readonly headerByteLength: number;
  /** Bytes of one string in a header. */
  readonly stringByteLength: number;
  /** Elements of one metadata array. */
  readonly arrayLength: number;
  /** Depth of arrays inside arrays. */
  readonly arrayDepth: number;
  /** Key-value pairs in one header. */
  readonly metadataCount: number;
  /** Tensors in one file. */
  readonly tensorCount: number;
  /** Dimensions of one tensor. */
  readonly dimensionCount: number;
  /** Files in one split or sharded model. */
  readonly shardCount: number;
  /** Bytes of a JSON or tokenizer side file that is parsed whole. */
  readonly sideFileByteLength: number;
}

/** Limits that every published model meets. */
export const defaultLimits: Limits = {
  // the largest vocabularies (256k tokens with merges) need about 16 MB
  headerByteLength: 256 * 1024 * 1024,
  // chat templates and embedded licences stay under 1 MB
  stringByteLength: 16 * 1024 * 1024,
  // eight times the largest vocabulary seen
  arrayLength: 4 * 1024 * 1024,
  // llama.cpp reads no nested arrays at all; gguf-py writes one level
  arrayDepth: 4,
  metadataCount: 65_536,
  // a 60-layer mixture with 512 separate experts has about 93 000
  tensorCount: 1_048_576,
  // GGML_MAX_DIMS is 4; safetensors has no limit, and NumPy's and PyTorch's is 64
  dimensionCount: 64,
  shardCount: 4096,
  sideFileByteLength: 256 * 1024 * 1024,
};

/** The defaults with the given ones replaced. */
export function limitsWith(changes: Partial<Limits> = {}): Limits {
  return { ...defaultLimits, ...changes };
}

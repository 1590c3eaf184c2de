/** The forward pass of a model; one that has none is refused with what else serves the purpose. */
import { type Decoder, type DecoderOptions, type DecoderSource, openDecoder } from "@requant/calibrate";
import { UnsupportedError } from "@requant/core";

/** By what the pass is for. */
const OTHER_WAYS = {
  evaluate: "Convert the model to a GGUF, and evaluate it with llama-perplexity of llama.cpp.",
  imatrix: "Convert the model to a GGUF, and make its importance matrix with llama-imatrix of llama.cpp.",
  calibrate:
    "Use `imatrix` with an importance matrix that llama-imatrix of llama.cpp makes of a GGUF of the model.",
} as const;

/** @throws UnsupportedError for a model whose layers are not known, with another way */
export function openForwardPass(
  source: DecoderSource,
  purpose: keyof typeof OTHER_WAYS,
  options?: DecoderOptions,
): Decoder {
  try {
    return openDecoder(source, options);
  } catch (cause) {
    if (!(cause instanceof UnsupportedError)) throw cause;
    const { message, tensor, path, hint } = cause;
    throw new UnsupportedError(message, {
      tensor,
      path,
      hint: [...(hint === undefined ? [] : [hint]), OTHER_WAYS[purpose]].join(" "),
      cause,
    });
  }
}

import { BF16, type BlockCodec, type ErrorPlace, F16, F32, UnsupportedError } from "@requant/core";
import { ggmlTypes } from "@requant/gguf";
import { dtypeBits } from "@requant/safetensors";
import { numberCodecs } from "./number-codecs.ts";

/** Every encoding that single tensors are stored in, by the name users see: ggml's types and safetensors' dtypes. */
const codecs: ReadonlyMap<string, BlockCodec> = new Map(
  [
    ...numberCodecs,
    ...ggmlTypes.flatMap((type) => (type.codec === undefined ? [] : [type.codec])),
    F32,
    F16,
    BF16,
  ].map((codec) => [codec.name, codec]),
);

/**
 * The codec that reads an encoding.
 * @throws UnsupportedError when the encoding's bytes can be moved but not read as numbers.
 */
export function codecOf(encoding: string, place?: ErrorPlace): BlockCodec {
  const codec = codecs.get(encoding);
  if (codec === undefined) {
    throw new UnsupportedError(`There is no codec for the encoding ${encoding}.`, {
      ...place,
      hint: `Encodings that can be read: ${[...codecs.keys()].join(", ")}.`,
    });
  }
  return codec;
}

/** The same; undefined where there is none. */
export function knownCodec(encoding: string): BlockCodec | undefined {
  return codecs.get(encoding);
}

/** A codec that also encodes. @throws UnsupportedError */
export function encoderOf(
  encoding: string,
  place?: ErrorPlace,
): BlockCodec & Required<Pick<BlockCodec, "quantize">> {
  const codec = codecOf(encoding, place);
  const { quantize } = codec;
  if (quantize === undefined) {
    throw new UnsupportedError(`The encoding ${encoding} can be read but not written.`, place);
  }
  return { ...codec, quantize };
}

/** Bits per weight of an encoding: 4.5 for Q4_0. @throws UnsupportedError */
export function bitsPerWeight(encoding: string): number {
  const codec = codecOf(encoding);
  return (codec.blockByteLength * 8) / codec.blockSize;
}

/** Bytes of `weights` weights, for every encoding that has a size, also those that cannot be read as numbers. */
export function encodedByteLength(encoding: string, weights: number, tensor?: string): number {
  const { blockSize, blockByteLength } = blockOf(encoding, { tensor });
  if (weights % blockSize !== 0) {
    throw new UnsupportedError(`${weights} weights are not whole ${encoding} blocks of ${blockSize}.`, {
      tensor,
    });
  }
  return (weights / blockSize) * blockByteLength;
}

/** Weights and bytes of one block. @throws UnsupportedError */
export function blockOf(
  encoding: string,
  place?: ErrorPlace,
): { readonly blockSize: number; readonly blockByteLength: number } {
  const type = ggmlTypes.find(({ name }) => name === encoding);
  if (type !== undefined) return type;
  const bits = dtypeBits[encoding];
  if (bits === undefined) return codecOf(encoding, place);
  // whole bytes: two weights of 4 bits, four of 6
  const blockSize = [1, 2, 4, 8].find((size) => (size * bits) % 8 === 0) ?? 8;
  return { blockSize, blockByteLength: (blockSize * bits) / 8 };
}

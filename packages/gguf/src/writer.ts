import type { Chunks, TensorShape } from "@requant/core";
import { type ByteSink, UsageError } from "@requant/core";
import { tensorTypeByName } from "./constants.ts";
import { swapBlocks, wholeBlocks } from "./endian.ts";
import { type GgufLayout, type GgufPlan, layoutGguf } from "./header.ts";

/**
 * A tensor to write. `data`: its blocks in order, little-endian whatever the file's byte order, in chunks of any length.
 */
export interface GgufTensorData extends TensorShape {
  /** A function is called when the data of this tensor is written. */
  readonly data: Chunks | (() => Chunks);
}

/** What `writeGguf` writes. */
export interface WriteGgufOptions extends GgufPlan {
  readonly tensors: readonly GgufTensorData[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes a whole GGUF file, pulling each tensor's data in turn; awaiting the sink is the backpressure. The caller
 * closes the sink, or aborts it when this throws.
 * @throws UsageError when the data of a tensor is not as long as its shape says, or the layout is impossible.
 */
export async function writeGguf(sink: ByteSink, options: WriteGgufOptions): Promise<GgufLayout> {
  const { signal } = options;
  const layout = layoutGguf(options);
  signal?.throwIfAborted();
  await sink.write(layout.header);
  let written = layout.dataOffset;
  for (const [i, { name, byteOffset, byteLength, encoding }] of layout.tensors.entries()) {
    const given = options.tensors[i]?.data ?? [];
    const chunks = typeof given === "function" ? given() : given;
    const type = tensorTypeByName(encoding);
    let tensorWritten = 0;
    const put = async (bytes: Uint8Array): Promise<void> => {
      signal?.throwIfAborted();
      tensorWritten += bytes.byteLength;
      if (tensorWritten > byteLength) throw wrongLength(name, byteLength, `at least ${tensorWritten}`);
      await sink.write(bytes);
    };
    if (layout.littleEndian || type.fields.length === 0) for await (const bytes of chunks) await put(bytes);
    else {
      for await (const blocks of wholeBlocks(chunks, type.blockByteLength)) {
        if (blocks.byteLength % type.blockByteLength !== 0)
          throw wrongLength(name, byteLength, `${tensorWritten + blocks.byteLength}`);
        await put(swapBlocks(blocks, type));
      }
    }
    if (tensorWritten !== byteLength) throw wrongLength(name, byteLength, `${tensorWritten}`);
    written = byteOffset + byteLength;
    const end = layout.tensors[i + 1]?.byteOffset ?? layout.byteLength;
    if (end > written) await sink.write(new Uint8Array(end - written));
    written = end;
  }
  return layout;
}

function wrongLength(tensor: string, expected: number, found: string): UsageError {
  return new UsageError(`The tensor has ${expected} bytes by its shape, but its data has ${found}.`, {
    tensor,
  });
}

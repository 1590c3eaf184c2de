import type { Chunks, TensorShape } from "@requant/core";
import { type ByteSink, UsageError } from "@requant/core";
import { type LayoutOptions, layoutSafetensors, type SafetensorsLayout } from "./layout.ts";

/** A tensor to write. */
export interface SafetensorsTensorData extends TensorShape {
  /** Its bytes in chunks of any length. A function is called when the data of this tensor is written. */
  readonly data: Chunks | (() => Chunks);
  /** Checked against shape and dtype, where given. */
  readonly byteLength?: number;
}

/** What `writeSafetensors` writes. */
export interface WriteSafetensorsOptions extends LayoutOptions {
  /** `__metadata__`. Frameworks look for `{ format: "pt" }`. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes a whole safetensors file. Data is pulled in the order of the file (see `layoutSafetensors`), whatever the
 * order of `tensors`; awaiting the sink is the backpressure. The caller closes the sink, or aborts it when this throws.
 * @throws UsageError when the data of a tensor is not as long as its shape says, or the layout is impossible.
 */
export async function writeSafetensors(
  sink: ByteSink,
  tensors: readonly SafetensorsTensorData[],
  options: WriteSafetensorsOptions = {},
): Promise<SafetensorsLayout> {
  const { metadata, signal } = options;
  const layout = layoutSafetensors(tensors, metadata, options);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  for (const { name, byteLength } of layout.tensors) {
    const stated = byName.get(name)?.byteLength;
    if (stated !== undefined && stated !== byteLength) throw wrongLength(name, byteLength, `${stated}`);
  }
  signal?.throwIfAborted();
  await sink.write(layout.header);
  for (const { name, byteLength } of layout.tensors) {
    const given = byName.get(name)?.data ?? [];
    let written = 0;
    for await (const bytes of typeof given === "function" ? given() : given) {
      signal?.throwIfAborted();
      written += bytes.byteLength;
      if (written > byteLength) throw wrongLength(name, byteLength, `at least ${written}`);
      await sink.write(bytes);
    }
    if (written !== byteLength) throw wrongLength(name, byteLength, `${written}`);
  }
  return layout;
}

function wrongLength(tensor: string, expected: number, found: string): UsageError {
  return new UsageError(`The tensor has ${expected} bytes by its shape, but its data has ${found}.`, {
    tensor,
  });
}

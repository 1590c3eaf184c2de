import type { ByteSource } from "@requant/core";
import { fileSource } from "@requant/core/node";
import { readGguf } from "@requant/gguf";

const PIECE = 16 * 1024 * 1024;

/** Whether two GGUF files hold the same tensors with the same bytes. */
export async function sameTensors(one: string, other: string): Promise<boolean> {
  const sources = [await fileSource(one), await fileSource(other)] as const;
  try {
    const [a, b] = [await readGguf(sources[0]), await readGguf(sources[1])];
    if (a.tensors.length !== b.tensors.length) return false;
    const byName = new Map(b.tensors.map((tensor) => [tensor.name, tensor]));
    for (const tensor of a.tensors) {
      const twin = byName.get(tensor.name);
      if (twin?.encoding !== tensor.encoding || twin.byteLength !== tensor.byteLength) return false;
      if (!(await sameBytes(sources, tensor.byteOffset, twin.byteOffset, tensor.byteLength))) return false;
    }
    return true;
  } finally {
    for (const source of sources) await source.close();
  }
}

async function sameBytes(
  [one, other]: readonly [ByteSource, ByteSource],
  oneStart: number,
  otherStart: number,
  byteLength: number,
): Promise<boolean> {
  for (let at = 0; at < byteLength; at += PIECE) {
    const length = Math.min(PIECE, byteLength - at);
    const [a, b] = await Promise.all([
      one.read(oneStart + at, oneStart + at + length),
      other.read(otherStart + at, otherStart + at + length),
    ]);
    if (Buffer.compare(a, b) !== 0) return false;
  }
  return true;
}

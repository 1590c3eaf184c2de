/** Just enough of a GGUF reader for a test's oracle: little-endian version 3, trusted files. */
import type { MetadataValue } from "@requant/core";

export interface TinyGguf {
  readonly metadata: readonly (readonly [string, MetadataValue])[];
  readonly tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly type: number;
  }[];
}

export function readTinyGguf(bytes: Uint8Array): TinyGguf {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 8;
  const take = (length: number): number => {
    offset += length;
    return offset - length;
  };
  const u32 = (): number => view.getUint32(take(4), true);
  const u64 = (): number => Number(view.getBigUint64(take(8), true));
  const text = (): string => {
    const length = u64();
    const start = take(length);
    return new TextDecoder().decode(bytes.subarray(start, start + length));
  };
  const value = (type: number): MetadataValue => {
    switch (type) {
      case 4:
        return { type: "u32", value: u32() };
      case 5:
        return { type: "i32", value: view.getInt32(take(4), true) };
      case 6:
        return { type: "f32", value: view.getFloat32(take(4), true) };
      case 7:
        return { type: "bool", value: bytes[take(1)] === 1 };
      case 8:
        return { type: "string", value: text() };
      case 9: {
        const elementType = u32();
        const elements = Array.from({ length: u64() }, () => value(elementType).value);
        const name = elementType === 8 ? "string" : elementType === 6 ? "f32" : "i32";
        return {
          type: "array",
          elementType: name,
          length: elements.length,
          value: elements,
        } as MetadataValue;
      }
      default:
        throw new Error(`no tiny file has metadata of type ${type}`);
    }
  };
  const tensorCount = u64();
  const metadataCount = u64();
  const metadata = Array.from({ length: metadataCount }, () => {
    const key = text();
    return [key, value(u32())] as const;
  });
  const tensors = Array.from({ length: tensorCount }, () => {
    const name = text();
    const shape = Array.from({ length: u32() }, u64).reverse();
    const type = u32();
    u64();
    return { name, shape, type };
  });
  return { metadata, tensors };
}

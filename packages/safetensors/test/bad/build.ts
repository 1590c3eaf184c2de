import { isCodecError } from "@requant/core";
import { parseHeader } from "../../src/index.ts";

/** A file with this header text and so many bytes of data. */
export function file(header: string | Uint8Array, dataByteLength = 0): Uint8Array {
  const json = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.byteLength + dataByteLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.byteLength), true);
  bytes.set(json, 8);
  return bytes;
}

/** A header of one F32 tensor with these fields in place of the good ones. */
export function one(fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ a: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...fields } });
}

/** The code and message of the refusal; fails where there is none, or where the error is not a CodecError. */
export function refusal(bytes: Uint8Array, fileByteLength = bytes.byteLength): string {
  try {
    parseHeader(bytes, { fileByteLength, path: "bad.safetensors" });
  } catch (error) {
    if (isCodecError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "accepted";
}

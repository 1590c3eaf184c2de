/** Reads the golden models that llama.cpp's converter has converted: side files, safetensors headers, manifests. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { MetadataValue } from "@requant/core";
import {
  type HfFiles,
  type HfTensor,
  hfSideFiles,
  isMetadataTensor,
  readHfFiles,
  type WeightSource,
} from "../src/index.ts";

export interface ManifestKey {
  readonly key: string;
  readonly type: string;
  readonly value?: unknown;
  readonly length?: number;
  readonly first5?: readonly unknown[];
  readonly sha256?: string;
}

export interface ManifestTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly types: Readonly<
    Record<string, { readonly type: string; readonly sha256: string; readonly bytes: number }>
  >;
  readonly from: readonly string[];
  readonly how: string;
}

export interface ManifestModel {
  readonly arch: string;
  readonly gguf_arch: string;
  readonly dir: string;
  readonly convert_args?: readonly string[];
  readonly metadata: readonly ManifestKey[];
  readonly metadata_differences_in_F32: readonly ManifestKey[];
  readonly tensors: readonly ManifestTensor[];
  readonly gguf: Readonly<Record<string, { readonly file: string | null }>>;
  readonly hf_tensors_not_used: readonly string[];
  readonly tokenization: readonly {
    readonly text: string;
    readonly llamacpp: readonly number[];
    readonly transformers?: readonly number[];
  }[];
}

const typeNames: Readonly<Record<string, string>> = { string: "str" };
const typeOf = (name: string): string => typeNames[name] ?? name;

function arrayBytes(value: Extract<MetadataValue, { type: "array" }>): Uint8Array {
  const chunks: Uint8Array[] = [];
  switch (value.elementType) {
    case "string":
      for (const text of value.value) {
        const bytes = new TextEncoder().encode(text);
        const length = new Uint8Array(8);
        new DataView(length.buffer).setUint32(0, bytes.length, true);
        chunks.push(length, bytes);
      }
      break;
    case "bool":
      chunks.push(Uint8Array.from(value.value, (one) => (one ? 1 : 0)));
      break;
    case "f32":
      chunks.push(new Uint8Array(Float32Array.from(value.value).buffer));
      break;
    case "u8":
      chunks.push(Uint8Array.from(value.value));
      break;
    case "i32":
    case "u32":
      chunks.push(new Uint8Array(Int32Array.from(value.value).buffer));
      break;
    default:
      throw new Error(`no golden array is of ${value.elementType}`);
  }
  return Buffer.concat(chunks);
}

/** A metadata value as the manifest lists it: arrays over 24 elements by their first five and a hash. */
export function asListed(key: string, value: MetadataValue): ManifestKey {
  if (value.type !== "array") return { key, type: typeOf(value.type), value: value.value };
  const type = `arr[${typeOf(value.elementType)}]`;
  const sha256 = createHash("sha256").update(arrayBytes(value)).digest("hex");
  const all = Array.from(value.value as ArrayLike<unknown>);
  return value.length <= 24
    ? { key, type, length: value.length, value: all, sha256 }
    : { key, type, length: value.length, first5: all.slice(0, 5), sha256 };
}

export interface StoredWeights {
  readonly tensors: readonly HfTensor[];
  readonly source: WeightSource;
  bytes(name: string): Uint8Array;
  /** Values of the tensors that a GGUF has as metadata. */
  readonly values: ReadonlyMap<string, Float32Array>;
}

interface Entry {
  readonly dtype: string;
  readonly shape: number[];
  readonly data_offsets: [number, number];
}

function toFloats(bytes: Uint8Array, dtype: string): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (dtype === "F32")
    return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(i * 4, true));
  const words = new Uint32Array(bytes.length / 2);
  for (let i = 0; i < words.length; i++) words[i] = view.getUint16(i * 2, true) << 16;
  if (dtype === "BF16") return new Float32Array(words.buffer);
  return Float32Array.from(words, (word) => {
    const bits = word >>> 16;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
    return bits & 0x8000 ? -magnitude : magnitude;
  });
}

/** Tensors as formats open them: the bytes of gpt-oss's MXFP4 experts and their scales are one weight. */
export function asOpened(tensors: readonly HfTensor[]): HfTensor[] {
  const stackOf = (name: string): string => name.replace(/_(?:blocks|scales)$/, "");
  const isPart = ({ name }: HfTensor): boolean => /_proj_(?:blocks|scales)$/.test(name);
  return tensors.flatMap((tensor) => {
    if (!isPart(tensor)) return [tensor];
    if (!tensor.name.endsWith("_blocks")) return [];
    const [experts = 0, rows = 0, blocks = 0] = tensor.shape;
    return [
      {
        ...tensor,
        name: `${stackOf(tensor.name)}.weight`,
        shape: [experts, rows, blocks * 32],
        encoding: "MXFP4-32g",
      },
    ];
  });
}

/** All safetensors files of a directory, held in memory: the golden models are small. */
export function readWeights(directory: string): StoredWeights {
  const entries = new Map<string, { bytes: Uint8Array; dtype: string; shape: number[]; file: string }>();
  for (const file of readdirSync(directory).filter((name) => name.endsWith(".safetensors"))) {
    const content = readFileSync(join(directory, file));
    const headerLength = Number(content.readBigUInt64LE(0));
    const header = JSON.parse(content.subarray(8, 8 + headerLength).toString("utf8")) as Record<
      string,
      Entry
    >;
    for (const [name, entry] of Object.entries(header)) {
      if (name === "__metadata__") continue;
      const { dtype, shape } = entry;
      const [start, end] = entry.data_offsets;
      const base = 8 + headerLength;
      entries.set(name, { bytes: content.subarray(base + start, base + end), dtype, shape, file });
    }
  }
  const entry = (name: string) => {
    const found = entries.get(name);
    if (!found) throw new Error(`no ${name}`);
    return found;
  };
  const floats = new Map<string, Float32Array>();
  return {
    tensors: asOpened(
      [...entries].map(([name, { shape, dtype, file }]) => ({ name, shape, encoding: dtype, file })),
    ),
    source: {
      shapeOf: (name) => entry(name).shape,
      async readRows(name, start, end, out) {
        const { bytes, dtype, shape } = entry(name);
        const values = floats.get(name) ?? toFloats(bytes, dtype);
        floats.set(name, values);
        const length = shape.at(-1) ?? 1;
        out.set(values.subarray(start * length, end * length));
      },
    },
    bytes: (name) => entry(name).bytes,
    values: new Map(
      [...entries]
        .filter(([name]) => isMetadataTensor(name))
        .map(([name, { bytes, dtype }]) => [name, toFloats(bytes, dtype)]),
    ),
  };
}

export function readSideFiles(directory: string): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const name of hfSideFiles) {
    if (existsSync(join(directory, name))) files.set(name, readFileSync(join(directory, name)));
  }
  return files;
}

export function readDirectory(directory: string, weights: StoredWeights = readWeights(directory)): HfFiles {
  const files = readHfFiles(basename(directory), readSideFiles(directory), weights.tensors);
  return { ...files, values: weights.values };
}

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type { ByteHash, ByteSource } from "@requant/core";
import { floatBytes } from "../model/float-bytes.ts";
import type { Model } from "../model/model.ts";
import { refuseUnclaimed } from "../model/packed-sources.ts";
import { BAND_BYTE_LENGTH } from "../model/row-bands.ts";
import { type WeightBands, weightMemory } from "../model/weight-bands.ts";
import { canonicalPlans } from "./naming.ts";

/** What `hashModel` hashes beside the files. */
export interface HashOptions {
  /** Also each tensor's stored bytes. */
  readonly tensors?: boolean | undefined;
  /** Also the dequantized f32 values: equal weights hash equal whatever the format. */
  readonly values?: boolean | undefined;
  /** Makes the SHA-256 of each file and tensor. Default: one in JavaScript; `nodeSha256` of `@requant/core/node` is ten times as fast. */
  readonly createHash?: (() => ByteHash) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called after each piece, with the bytes that were hashed and those of the whole work. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** One file of a model and its hash. */
export interface FileHash {
  readonly name: string;
  readonly byteLength: number;
  readonly sha256: string;
}

/** One stored tensor and its hash. */
export interface TensorHash {
  readonly name: string;
  readonly shape: readonly number[];
  readonly encoding: string;
  /** Of the stored bytes, as a little-endian file has them. */
  readonly sha256: string;
}

/** The values of one tensor and their hash. */
export interface ValueHash {
  readonly name: string;
  readonly shape: readonly number[];
  /** Of the values as little-endian f32, row-major. */
  readonly sha256: string;
}

/** The hashes of a model. */
export interface HashReport {
  readonly files: readonly FileHash[];
  readonly tensors?: readonly TensorHash[] | undefined;
  readonly values?:
    | {
        /** Whose names and row order the values have: Hugging Face's, or the file's own where no map is known. */
        readonly naming: "hf" | "gguf";
        /** Of all tensors together, sorted by name: the model's weights in one hash. */
        readonly sha256: string;
        readonly tensors: readonly ValueHash[];
      }
    | undefined;
}

/** sha256 of a model's files and, where asked, of its tensors. */
export async function hashModel(model: Model, options: HashOptions = {}): Promise<HashReport> {
  if (options.values === true) refuseUnclaimed(model);
  const tensorBytes = model.tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const passes = (options.tensors === true ? 1 : 0) + (options.values === true ? 1 : 0);
  const total = model.files.reduce((sum, { byteLength }) => sum + byteLength, 0) + passes * tensorBytes;
  let done = 0;
  const work: HashWork = {
    createHash: options.createHash ?? scriptSha256,
    piece: new Uint8Array(BAND_BYTE_LENGTH),
    advance(byteLength) {
      options.signal?.throwIfAborted();
      done += byteLength;
      options.onProgress?.(done, total);
    },
  };
  const files: FileHash[] = [];
  for (const { name, byteLength } of model.files) {
    const source = await model.openFile(name);
    try {
      files.push({
        name,
        byteLength,
        sha256: await hashPieces(byteLength, (target, start) => source.readInto(target, start), work),
      });
    } finally {
      await source.close();
    }
  }
  return {
    files,
    ...(options.tensors === true ? { tensors: await hashTensors(model, work) } : {}),
    ...(options.values === true ? { values: await hashValues(model, work) } : {}),
  };
}

/** sha256 of one file. */
export function hashSource(
  source: ByteSource,
  {
    createHash = scriptSha256,
    signal,
    onProgress,
  }: Pick<HashOptions, "createHash" | "onProgress" | "signal"> = {},
): Promise<string> {
  let done = 0;
  return hashPieces(source.byteLength, (target, start) => source.readInto(target, start), {
    createHash,
    piece: new Uint8Array(Math.min(BAND_BYTE_LENGTH, source.byteLength)),
    advance(byteLength) {
      signal?.throwIfAborted();
      done += byteLength;
      onProgress?.(done, source.byteLength);
    },
  });
}

/** What all hashes of one call share. */
interface HashWork {
  readonly createHash: () => ByteHash;
  /** Memory for one piece of a file. */
  readonly piece: Uint8Array;
  advance(byteLength: number): void;
}

function scriptSha256(): ByteHash {
  const hash = sha256.create();
  return {
    update(bytes) {
      hash.update(bytes);
    },
    hex: () => bytesToHex(hash.digest()),
  };
}

async function hashPieces(
  byteLength: number,
  readInto: (target: Uint8Array, start: number) => Promise<void>,
  { createHash, piece, advance }: HashWork,
): Promise<string> {
  const hash = createHash();
  for (let start = 0; start < byteLength; start += piece.byteLength) {
    const bytes = piece.subarray(0, byteLength - start);
    await readInto(bytes, start);
    hash.update(bytes);
    advance(bytes.byteLength);
  }
  return hash.hex();
}

async function hashTensors(model: Model, work: HashWork): Promise<TensorHash[]> {
  const hashes: TensorHash[] = [];
  for (const { name, shape, encoding, byteLength } of model.storedTensors) {
    const digest = await hashPieces(byteLength, (target, start) => model.readInto(name, start, target), work);
    hashes.push({ name, shape, encoding, sha256: digest });
  }
  return hashes;
}

async function hashValues(model: Model, work: HashWork): Promise<NonNullable<HashReport["values"]>> {
  const { naming, plans } = await canonicalPlans(model);
  const sorted = [...plans].sort((a, b) => (a.name < b.name ? -1 : 1));
  const all = work.createHash();
  const tensors: ValueHash[] = [];
  const memory = weightMemory(model, sorted);
  try {
    for (const plan of sorted) {
      const digest = await hashWeight(memory.open(plan), work);
      all.update(utf8ToBytes(`${plan.name}\t${plan.shape.join(",")}\t${digest}\n`));
      tensors.push({ name: plan.name, shape: plan.shape, sha256: digest });
      work.advance(
        plan.inputs.reduce(
          (sum, input) => sum + ("tensor" in input ? model.tensor(input.tensor).byteLength : 0),
          0,
        ),
      );
    }
  } finally {
    memory.release();
  }
  return { naming, sha256: all.hex(), tensors };
}

async function hashWeight(weight: WeightBands, { createHash }: HashWork): Promise<string> {
  const hash = createHash();
  for (const band of weight.bands) {
    await weight.read(band);
    for (const rows of weight.steps(band)) hash.update(floatBytes(weight.values(rows)));
  }
  return hash.hex();
}

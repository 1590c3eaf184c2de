import {
  type ByteSource,
  type Finding,
  FormatError,
  type Limits,
  type Metadata,
  type ReadStore,
  UsageError,
} from "@requant/core";
import type { LinearClaims, OpenableWeight } from "@requant/core/format";
import { bounded, didYouMean } from "@requant/core/text";
import type { HfFiles } from "@requant/models";
import { completeFinding } from "./findings/finding.ts";
import type { AppliedFolding } from "./folding/folded.ts";
import type { ModelKind } from "./model-kind.ts";
import type { ModelTensor } from "./model-tensor.ts";
import { type LinearReads, linearReads } from "./packed-reads.ts";
import { pagedReads } from "./paged-reads.ts";
import { recent } from "./recently-used.ts";
import { scaledWeightOf } from "./scaled-weight.ts";
import { blockWeightOf, packedWeightOf, type StoredWeight } from "./stored-weight.ts";
import { nothingUnclaimed, type SourceClaims } from "./unclaimed.ts";

export type { ModelTensor } from "./model-tensor.ts";

/** Where a model is: a folder, or one file of it (any shard of a set). */
export interface ModelLocation {
  readonly store: ReadStore;
  /** File inside the store; without it the folder itself is the model. */
  readonly file?: string | undefined;
}

/** All that opening a model again takes. */
export interface ModelOrigin extends ModelLocation {
  readonly limits?: Limits | undefined;
}

/** One file of a model. */
export interface ModelFile {
  readonly name: string;
  readonly byteLength: number;
}

/** What only GGUF files have. */
export interface GgufFacts {
  readonly version: number;
  readonly littleEndian: boolean;
  readonly alignment: number;
  /** Where the data begin in the first part. */
  readonly dataOffset: number;
  /** Of the first part, without the split keys when there are several. */
  readonly metadata: Metadata;
  /** Tensors per file, in file order: what `keepSplit` keeps. */
  readonly partTensorCounts: readonly number[];
}

/** What only Hugging Face-style directories and safetensors files have. */
export interface HfFacts {
  /** `__metadata__` of the first file. */
  readonly fileMetadata: Readonly<Record<string, string>>;
  /** Parsed `config.json`, where there is one. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  /** Everything that a conversion of names, metadata and tokenizer needs; the side files are read and parsed on the first call. */
  sideFiles(): Promise<HfFiles>;
  /** The same files as they are. */
  sideFileBytes(): Promise<ReadonlyMap<string, Uint8Array>>;
  /** Frees the memory of both, which a large tokenizer makes 200 MB; they are read again when they are asked for again. */
  forgetSideFiles(): void;
}

/** An adapter that is merged into a model, and what a plan tells about it. */
export interface MergedAdapter {
  /** The model without the adapter. */
  readonly base: Model;
  readonly adapter: Model;
  /** The names of the changed weights. */
  readonly weights: ReadonlySet<string>;
  readonly findings: readonly Finding[];
}

/** An open model of any format. Tensors are found by the model's own names; every read is checked against the header. */
export interface Model extends SourceClaims {
  /** Path or URL, for messages. */
  readonly name: string;
  /** The folder of `files`, as its store names it. */
  readonly folder: string;
  /** A name in the list of formats: "gguf", "safetensors". */
  readonly format: string;
  /** One line for people: "GGUF v3, little-endian". */
  readonly variant: string;
  /** Whose names the tensors have. */
  readonly naming: "gguf" | "hf";
  /** "llama", "LlamaForCausalLM"; undefined when the files don't say. */
  readonly architecture: string | undefined;
  readonly files: readonly ModelFile[];
  /** What it was opened from, where `openModel` did: workers open it again. */
  readonly origin?: ModelOrigin | undefined;
  /** Scales that are folded into the weights as they are read; set by `foldedModel`. */
  readonly folding?: AppliedFolding | undefined;
  /** The adapter that is merged into the weights as they are read; set by `mergedModel`. */
  readonly merged?: MergedAdapter | undefined;
  readonly tensors: readonly ModelTensor[];
  /** As the files hold them: the same list, but for linear weights, which stand here as their parts. */
  readonly storedTensors: readonly ModelTensor[];
  /** What the configuration claims about linear weights; empty where there are none. */
  readonly claims: LinearClaims;
  /** What is doubtful or disagrees, what other readers may trip over, and what is good to know. */
  readonly findings: readonly Finding[];
  /** What the files are, where they are no model by themselves. */
  readonly kind?: ModelKind | undefined;
  readonly gguf: GgufFacts | undefined;
  readonly hf: HfFacts | undefined;
  /** A tensor or a stored part. @throws FormatError when there is no such tensor. */
  tensor(name: string): ModelTensor;
  /** Stored bytes of a tensor or part, little-endian, offsets relative to its start. The result is not to be written to. */
  readBytes(name: string, start: number, end: number): Promise<Uint8Array>;
  /** Fills `target` with the same bytes from `start` on, where the file allows it without a copy. */
  readInto(name: string, start: number, target: Uint8Array): Promise<void>;
  /** A weight, to be read by rows. @throws FormatError when there is no such tensor. */
  weight(name: string): StoredWeight;
  /**
   * Reserves kernel memory for the packed weights among these, so that their parts are read straight into it. Optional: without
   * it, parts are read into other memory and copied. The function that is returned releases the memory.
   */
  reserve(names: Iterable<string>): () => void;
  /** A file of the model, for hashing; the caller closes it. */
  openFile(name: string): Promise<ByteSource>;
  /** Closes all files of the model. Nothing can be read from it afterwards. */
  close(): Promise<void>;
}

/** Limits for hostile files, and a signal to stop. */
export interface OpenModelOptions {
  readonly limits?: Limits | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The parts that a format gives; `modelOf` adds the rest. */
export type ModelParts = Omit<
  Model,
  "tensor" | "weight" | "readBytes" | "readInto" | "reserve" | "storedTensors" | "claims" | keyof SourceClaims
> &
  Partial<SourceClaims> & {
    /** The stored bytes of a tensor from `start` up to, but without, `end`. */
    read(tensor: ModelTensor, start: number, end: number): Promise<Uint8Array>;
    /** Fills `target` with the stored bytes from `start` on, without an array in between. */
    readInto?(tensor: ModelTensor, start: number, target: Uint8Array): Promise<void>;
    /** Where some weights are made of several stored tensors. */
    readonly linear?: {
      readonly storedTensors: readonly ModelTensor[];
      readonly claims: LinearClaims;
      readonly weights: ReadonlyMap<string, OpenableWeight>;
    };
  };

function namedTensors(...lists: readonly (readonly ModelTensor[])[]): ReadonlyMap<string, ModelTensor> {
  const byName = new Map<string, ModelTensor>();
  for (const list of lists) for (const tensor of list) byName.set(tensor.name, tensor);
  return byName;
}

/** A model over stored tensors of block types (GGUF, float safetensors), and linear weights made of several. */
export function modelOf(parts: ModelParts): Model {
  const { read: readStored, readInto: readStoredInto, linear, findings, ...facts } = parts;
  const storedTensors = linear?.storedTensors ?? parts.tensors;
  const storedByName = namedTensors(storedTensors);
  // a packed weight may have the name of one of its parts
  const byName = linear === undefined ? storedByName : namedTensors(storedTensors, parts.tensors);
  /** The last few: a model may have a hundred thousand. What they know of their bytes is kept by `packed` and `reads`. */
  const weights = new Map<string, StoredWeight>();
  const packed: LinearReads = linearReads(
    linear?.weights ?? new Map(),
    (name) => tensor(name).linear?.parts ?? [],
    (part, target) => readInto(storedTensor(part.name), 0, target),
  );
  async function readInto(stored: ModelTensor, start: number, target: Uint8Array): Promise<void> {
    if (readStoredInto !== undefined) return readStoredInto(stored, start, target);
    target.set(await readStored(stored, start, start + target.byteLength));
  }
  const reads = pagedReads(readInto);
  function tensor(name: string): ModelTensor {
    const found = byName.get(name);
    if (found === undefined) {
      throw new FormatError(`There is no tensor "${bounded(name)}".${didYouMean(name, byName.keys())}`, {
        path: parts.name,
        tensor: name,
        hint: "The list of `tensors` names them all.",
      });
    }
    return found;
  }
  function storedTensor(name: string): ModelTensor {
    return storedByName.get(name) ?? tensor(name);
  }
  /** The stored tensor, if bytes `[start, end)` of it exist. */
  function tensorWith(name: string, start: number, end: number): ModelTensor {
    const found = storedTensor(name);
    if (found.linear !== undefined) {
      throw new UsageError(
        `The weight is stored as ${found.linear.parts.length} tensors; read one of them.`,
        {
          tensor: name,
        },
      );
    }
    if (
      !(
        Number.isSafeInteger(start) &&
        Number.isSafeInteger(end) &&
        0 <= start &&
        start <= end &&
        end <= found.byteLength
      )
    ) {
      throw new UsageError(
        `Bytes [${start}, ${end}) are not inside the ${found.byteLength} bytes of the tensor.`,
        { tensor: name },
      );
    }
    return found;
  }
  function weightOf(name: string): StoredWeight {
    const found = tensor(name);
    const stored =
      found.linear === undefined ? blockWeightOf(found, reads, parts.name) : packedWeightOf(found, packed);
    const { scaledBy } = found;
    if (scaledBy === undefined) return stored;
    return scaledWeightOf(stored, blockWeightOf(tensor(scaledBy), reads, parts.name));
  }
  async function readBytes(name: string, start: number, end: number): Promise<Uint8Array> {
    const found = tensorWith(name, start, end);
    const bytes = new Uint8Array(end - start);
    await reads.into(found, start, bytes);
    return bytes;
  }
  return {
    ...nothingUnclaimed,
    ...facts,
    findings: findings.map((found) => completeFinding(found)),
    storedTensors,
    claims: linear?.claims ?? {},
    tensor,
    readBytes,
    async readInto(name, start, target) {
      const end = start + target.byteLength;
      await reads.into(tensorWith(name, start, end), start, target);
    },
    reserve: (names) => packed.reserve(names),
    weight: (name) => recent(weights, name, () => weightOf(name)),
  };
}

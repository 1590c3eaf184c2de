/**
 * An importance matrix as a GGUF file: `general.type` is "imatrix"; per weight the tensors `<name>.in_sum2`
 * [matrices, columns] (sums of squared inputs) and `<name>.counts` [matrices, 1] (tokens seen), and in newer files
 * `<name>.in_sum` (sums of inputs) and `<name>.stats`. All F32. One matrix per expert, one where there are none.
 *
 * Facts: llama.cpp, tools/imatrix/imatrix.cpp, common/imatrix-loader.cpp.
 */
import {
  type ByteSink,
  type ByteSource,
  elementCount,
  F32,
  FormatError,
  type Limits,
  type Metadata,
  type MetadataValue,
  type TensorInfo,
} from "@requant/core";
import { openGguf } from "../shards.ts";
import { type GgufTensorData, writeGguf } from "../writer.ts";
import { finite, floatBytes, type Imatrix, type ImatrixEntry, type NamedEntries } from "./imatrix.ts";

const keys = {
  type: "general.type",
  datasets: "imatrix.datasets",
  chunkCount: "imatrix.chunk_count",
  chunkSize: "imatrix.chunk_size",
  statsSchema: "imatrix.stats_schema",
} as const;

export async function readGgufForm(
  source: ByteSource,
  options: { readonly limits?: Limits | undefined },
): Promise<Imatrix> {
  const gguf = await openGguf(source, options);
  const { metadata } = gguf;
  const entries = new Map<string, ImatrixEntry>();
  const found = new Map<string, Map<string, Float32Array>>();
  for (const tensor of gguf.tensors) {
    const end = tensor.name.lastIndexOf(".");
    const field = tensor.name.slice(end + 1);
    if (!["in_sum2", "counts", "in_sum", "stats"].includes(field)) continue;
    const name = tensor.name.slice(0, end);
    const fields = found.get(name) ?? new Map<string, Float32Array>();
    if (tensor.encoding !== "F32") {
      throw new FormatError(`${tensor.name} is ${tensor.encoding}; an importance matrix is F32.`, {
        path: source.name,
        tensor: tensor.name,
      });
    }
    const bytes = await gguf.read(tensor, 0, tensor.byteLength);
    found.set(name, fields.set(field, floatsOf(bytes, tensor, source.name)));
  }
  if (found.size === 0) {
    throw new FormatError("This GGUF file holds no importance matrix.", {
      path: source.name,
      hint: "Give the file that llama-imatrix wrote.",
    });
  }
  for (const [name, fields] of found) entries.set(name, entryOf(name, fields, source.name));
  const statsSchema = stringsOf(metadata, keys.statsSchema);
  return {
    form: "gguf",
    entries,
    datasets: stringsOf(metadata, keys.datasets) ?? [],
    chunkCount: countOf(metadata, keys.chunkCount),
    chunkSize: countOf(metadata, keys.chunkSize),
    ...(statsSchema === undefined ? {} : { statsSchema }),
  };
}

function floatsOf(bytes: Uint8Array, { name, shape }: TensorInfo, path: string): Float32Array {
  const floats = new Float32Array(elementCount(shape));
  F32.dequantize(bytes, floats);
  // statistics of constant columns are not numbers
  return name.endsWith(".stats") ? floats : finite(floats, name, path);
}

function entryOf(name: string, fields: ReadonlyMap<string, Float32Array>, path: string): ImatrixEntry {
  const sums = fields.get("in_sum2");
  const counts = fields.get("counts");
  if (sums === undefined || counts === undefined) {
    throw new FormatError(`${name} has no ${sums === undefined ? "in_sum2" : "counts"}.`, {
      path,
      tensor: name,
    });
  }
  if (counts.length === 0 || sums.length === 0 || sums.length % counts.length !== 0) {
    throw new FormatError(`${name} has ${sums.length} sums for ${counts.length} counts.`, {
      path,
      tensor: name,
    });
  }
  const inputSums = fields.get("in_sum");
  if (inputSums !== undefined && inputSums.length !== sums.length) {
    throw new FormatError(
      `${name} has ${inputSums.length} sums of inputs and ${sums.length} of their squares.`,
      {
        path,
        tensor: name,
      },
    );
  }
  const stats = fields.get("stats");
  return {
    sums,
    counts: Array.from(counts, (count) => Math.sign(count) * Math.round(Math.abs(count))),
    ...(inputSums === undefined ? {} : { inputSums }),
    ...(stats === undefined ? {} : { stats }),
  };
}

function stringsOf(metadata: Metadata, key: string): readonly string[] | undefined {
  const value = metadata.get(key);
  return value?.type === "array" && value.elementType === "string" ? value.value : undefined;
}

function countOf(metadata: Metadata, key: string): number {
  const value = metadata.get(key)?.value;
  return typeof value === "number" ? value : 0;
}

export async function writeGgufForm(
  sink: ByteSink,
  imatrix: Imatrix,
  entries: NamedEntries,
  chunkSize: number,
): Promise<void> {
  const metadata = new Map<string, MetadataValue>();
  metadata.set(keys.type, { type: "string", value: "imatrix" });
  metadata.set(keys.datasets, strings(imatrix.datasets));
  metadata.set(keys.chunkCount, { type: "u32", value: imatrix.chunkCount });
  metadata.set(keys.chunkSize, { type: "u32", value: chunkSize });
  if (imatrix.statsSchema !== undefined) metadata.set(keys.statsSchema, strings(imatrix.statsSchema));
  // .dat sums are per call: multiplying by a chunk's tokens makes them per token
  const scale = imatrix.form === "dat" ? chunkSize : 1;
  const tensors: GgufTensorData[] = [];
  for (const [name, entry] of entries) {
    const matrices = entry.counts.length;
    const shape = (columns: number): number[] => (matrices === 1 ? [columns] : [matrices, columns]);
    const columns = entry.sums.length / matrices;
    const sums = scale === 1 ? entry.sums : entry.sums.map((sum) => sum * scale);
    const counts = Float32Array.from(entry.counts, (count) => count * scale);
    tensors.push(floatTensor(`${name}.in_sum2`, shape(columns), sums));
    tensors.push(floatTensor(`${name}.counts`, shape(1), counts));
    if (entry.inputSums !== undefined)
      tensors.push(floatTensor(`${name}.in_sum`, shape(columns), entry.inputSums));
    if (entry.stats !== undefined)
      tensors.push(floatTensor(`${name}.stats`, [entry.stats.length], entry.stats));
  }
  await writeGguf(sink, { metadata, tensors });
}

function strings(value: readonly string[]): MetadataValue {
  return { type: "array", elementType: "string", length: value.length, value };
}

function floatTensor(name: string, shape: readonly number[], floats: Float32Array): GgufTensorData {
  return {
    name,
    shape,
    encoding: "F32",
    data: async function* () {
      yield floatBytes(floats);
    },
  };
}

/**
 * Folded scales in a safetensors file, so that a worker can open the same model: of each tensor, by the model's name,
 * `<name>.rows` and `<name>.columns` or `<name>.values`; of each weight, by its GGUF name, `<name>.inputs`.
 */
import { type ByteSink, FormatError } from "@requant/core";
import { openSafetensors, type SafetensorsTensorData, writeSafetensors } from "@requant/safetensors";
import { codecOf, encoderOf } from "../encodings.ts";
import type { Folded, FoldedTensor, FoldingLocation } from "./folded.ts";

const METADATA = { format: "requant-folding", version: "1" } as const;

type Encoding = "F32" | "F16" | "BF16";

function entry(name: string, values: Float32Array, encoding: Encoding = "F32"): SafetensorsTensorData {
  const codec = encoderOf(encoding);
  const bytes = new Uint8Array(values.length * codec.blockByteLength);
  codec.quantize(values, values.length, bytes);
  return { name, shape: [values.length], encoding, data: [bytes] };
}

/**
 * Writes them; the caller closes the sink.
 * @param search says what they were searched with, for whoever reads the file again
 */
export async function writeFolded(
  sink: ByteSink,
  { tensors, inputs }: Folded,
  search?: string,
): Promise<void> {
  const entries: SafetensorsTensorData[] = [];
  for (const [name, tensor] of tensors) {
    if (tensor.kind === "values") entries.push(entry(`${name}.values`, tensor.values, tensor.encoding));
    else {
      if (tensor.rows !== undefined) entries.push(entry(`${name}.rows`, tensor.rows));
      if (tensor.columns !== undefined) entries.push(entry(`${name}.columns`, tensor.columns));
    }
  }
  for (const [name, scales] of inputs) entries.push(entry(`${name}.inputs`, scales));
  await writeSafetensors(sink, entries, {
    metadata: { ...METADATA, ...(search === undefined ? {} : { search }) },
  });
}

/** Reads scales that `writeFolded` wrote. @throws FormatError for a file that holds something else */
export async function readFolded({
  store,
  file,
}: FoldingLocation): Promise<Folded & { readonly search: string | undefined }> {
  const set = await openSafetensors(store, { file });
  try {
    const path = `${store.name}/${file}`;
    const { format, version, search } = set.metadata;
    if (format !== METADATA.format || version !== METADATA.version) {
      throw new FormatError("The file does not hold folded scales that this version reads.", {
        path,
        hint: "Search the scales again.",
      });
    }
    const tensors = new Map<string, FoldedTensor>();
    const inputs = new Map<string, Float32Array>();
    for (const tensor of set.tensors) {
      const { name, encoding } = tensor;
      const values = new Float32Array(tensor.shape[0] ?? 0);
      codecOf(encoding).dequantize(await set.read(tensor, 0, tensor.byteLength), values);
      const dot = name.lastIndexOf(".");
      const [owner, part] = [name.slice(0, dot), name.slice(dot + 1)];
      if (part === "inputs") inputs.set(owner, values);
      else if (part === "values" && isFloat(encoding))
        tensors.set(owner, { kind: "values", encoding, values });
      else if (part === "rows" || part === "columns") {
        const known = tensors.get(owner);
        tensors.set(owner, { ...(known?.kind === "factors" ? known : { kind: "factors" }), [part]: values });
      } else throw new FormatError("The file has a part that is no folded scale.", { path, tensor: name });
    }
    return { tensors, inputs, search };
  } finally {
    await set.close();
  }
}

function isFloat(encoding: string): encoding is Encoding {
  return encoding === "F32" || encoding === "F16" || encoding === "BF16";
}

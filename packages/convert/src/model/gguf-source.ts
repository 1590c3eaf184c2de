import type { MetadataValue } from "@requant/core";
import { byteText } from "@requant/core";
import { type Gguf, type GgufTensorInfo, openGgufFile } from "@requant/gguf";
import { type Found, openNamed } from "./find.ts";
import { type Model, type ModelFile, type ModelParts, modelOf, type OpenModelOptions } from "./model.ts";
import { ggufKind, kindFindings } from "./model-kind.ts";
import type { ModelTensor } from "./model-tensor.ts";
import { type Claims, claimFindings, unclaimedOf } from "./packed-sources.ts";
import { withScales } from "./scaled-weight.ts";
import type { SourceFormat } from "./source-format.ts";
import { GGUF_COPY_HINT, unclaimedGgufTensors } from "./unclaimed.ts";

/** GGUF files, single or split. */
export const ggufSource: SourceFormat = {
  recognises: ({ head }) => byteText(head).startsWith("GGUF"),
  open: openGgufModel,
};

async function openGgufModel(found: Found, options: OpenModelOptions): Promise<Model> {
  const { store, file = "" } = found;
  const gguf = await openGgufFile(store, file, options);
  const folder = store.name.replace(/\/$/, "");
  const files = gguf.parts.map(({ name, byteLength }) => ({
    name: name.split(/[/\\]/).at(-1) ?? name,
    byteLength,
  }));
  const [first] = gguf.parts;
  const byteOrder = first?.littleEndian === false ? "big-endian" : "little-endian";
  const parts = gguf.parts.length > 1 ? `, ${gguf.parts.length} parts` : "";
  const tensors = withScales(
    gguf.parts.flatMap((part, index) =>
      part.tensors.map(({ name, shape, encoding, byteOffset, byteLength }) => {
        return { name, shape, encoding, byteOffset, byteLength, file: files[index]?.name ?? file };
      }),
    ),
  );
  const claims: Claims = {
    tensors: unclaimedGgufTensors(tensors),
    all: tensors,
    refused: [],
    quantization: undefined,
    hint: GGUF_COPY_HINT,
  };
  const unclaimed = unclaimedOf(claims);
  const kind = ggufKind(
    gguf.metadata,
    tensors.map(({ name }) => name),
  );
  return modelOf({
    name: `${folder}/${file}`,
    folder,
    format: "gguf",
    variant: `GGUF version ${first?.version ?? 3}, ${byteOrder}${parts}`,
    naming: "gguf",
    architecture: stringOf(gguf.metadata.get("general.architecture")),
    files,
    tensors,
    findings: [
      ...gguf.parts.flatMap(({ findings }) => findings),
      ...claimFindings(claims, unclaimed),
      ...kindFindings(kind),
    ],
    kind,
    unclaimed,
    gguf: {
      version: first?.version ?? 3,
      littleEndian: first?.littleEndian ?? true,
      alignment: first?.alignment ?? 32,
      dataOffset: first?.dataOffset ?? 0,
      metadata: gguf.metadata,
      partTensorCounts: gguf.parts.map(({ tensors }) => tensors.length),
    },
    hf: undefined,
    ...readsOf(gguf, files),
    openFile: (name) => openNamed(store, name),
  });
}

/** The functions do not hold the GGUF itself, whose lists of tensors are long: the model has its own. */
function readsOf(
  { read, readInto, close }: Gguf,
  files: readonly ModelFile[],
): Pick<ModelParts, "read" | "readInto" | "close"> {
  const partOf = new Map(files.map(({ name }, part) => [name, part]));
  const inPart = (tensor: ModelTensor): GgufTensorInfo => ({ ...tensor, part: partOf.get(tensor.file) ?? 0 });
  return {
    read: (tensor, start, end) => read(inPart(tensor), start, end),
    readInto: (tensor, start, target) => readInto(inPart(tensor), start, target),
    close,
  };
}

function stringOf(value: MetadataValue | undefined): string | undefined {
  return value?.type === "string" ? value.value : undefined;
}

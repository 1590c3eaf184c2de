import type { MetadataValue } from "@requant/core";
import { byteText } from "@requant/core";
import { openGgufFile } from "@requant/gguf";
import { type Found, openNamed } from "./find.ts";
import { type Model, modelOf, type OpenModelOptions } from "./model.ts";
import { ggufKind, kindFindings } from "./model-kind.ts";
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
  const byName = new Map(gguf.tensors.map((tensor) => [tensor.name, tensor]));
  const [first] = gguf.parts;
  const byteOrder = first?.littleEndian === false ? "big-endian" : "little-endian";
  const parts = gguf.parts.length > 1 ? `, ${gguf.parts.length} parts` : "";
  const { tensors } = gguf;
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
    tensors: withScales(
      gguf.tensors.map(({ name, shape, encoding, byteOffset, byteLength, part }) => {
        return { name, shape, encoding, byteOffset, byteLength, file: files[part]?.name ?? file };
      }),
    ),
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
    async read({ name }, start, end) {
      const tensor = byName.get(name);
      return tensor === undefined ? new Uint8Array(0) : gguf.read(tensor, start, end);
    },
    async readInto({ name }, start, target) {
      const tensor = byName.get(name);
      if (tensor !== undefined) await gguf.readInto(tensor, start, target);
    },
    openFile: (name) => openNamed(store, name),
    close: () => gguf.close(),
  });
}

function stringOf(value: MetadataValue | undefined): string | undefined {
  return value?.type === "string" ? value.value : undefined;
}

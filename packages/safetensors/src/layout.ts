import type { TensorShape } from "@requant/core";
import { ByteWriter, UsageError } from "@requant/core";
import { dtypes, tensorByteLength } from "./dtypes.ts";
import { METADATA_KEY, type SafetensorsHeader } from "./header.ts";
import { compareText } from "./json.ts";

/** The limit of the official readers: a longer header could not be read again. */
const MAX_WRITTEN_HEADER_BYTE_LENGTH = 100_000_000;

/** A file that is laid out: its header and where each tensor goes. */
export interface SafetensorsLayout extends Omit<SafetensorsHeader, "findings"> {
  /** The file up to `dataOffset`. */
  readonly header: Uint8Array;
  /** Of the whole file. */
  readonly byteLength: number;
}

/** Tensors as the official writer orders them: dtypes of the widest alignment first, then by name. */
export function officialOrder<T extends Pick<TensorShape, "name" | "encoding">>(tensors: readonly T[]): T[] {
  return [...tensors].sort(
    (a, b) => dtypes.indexOf(b.encoding) - dtypes.indexOf(a.encoding) || compareText(a.name, b.name),
  );
}

/** How `layoutSafetensors` lays out. */
export interface LayoutOptions {
  /**
   * "official", the default: dtypes of the widest alignment first, then by name. "given": in the caller's order; the
   * caller must then ensure that each tensor begins at a multiple of its dtype's width, which PyTorch needs.
   */
  readonly order?: "official" | "given" | undefined;
}

/**
 * Where every byte of a file will be, before any data is there: in the official writer's order by default, the header
 * padded with spaces to 8 bytes, as in that writer.
 * @throws UsageError for names or shapes that cannot be stored; UnsupportedError for an unknown dtype.
 */
export function layoutSafetensors(
  tensors: readonly TensorShape[],
  metadata?: Readonly<Record<string, string>>,
  options: LayoutOptions = {},
): SafetensorsLayout {
  const ordered = options.order === "given" ? tensors : officialOrder(tensors);
  const members: string[] = metadata === undefined ? [] : [`"${METADATA_KEY}":${JSON.stringify(metadata)}`];
  let end = 0;
  const names = new Set<string>();
  const placed = ordered.map(({ name, shape, encoding }) => {
    const fault = (message: string): UsageError => new UsageError(message, { tensor: name });
    if (name === METADATA_KEY) throw fault(`A tensor cannot be called ${METADATA_KEY}.`);
    if (names.has(name)) throw fault("The tensor name is given twice.");
    names.add(name);
    if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
      throw fault(`The shape [${shape.join(", ")}] cannot be stored.`);
    }
    const byteLength = tensorByteLength(shape, encoding, fault, { tensor: name });
    const byteOffset = end;
    end += byteLength;
    members.push(
      `${JSON.stringify(name)}:{"dtype":"${encoding}","shape":[${shape.join(",")}],"data_offsets":[${byteOffset},${end}]}`,
    );
    return { name, shape, encoding, byteOffset, byteLength };
  });
  const writer = new ByteWriter();
  writer.u64(0);
  writer.utf8(`{${members.join(",")}}`);
  while (writer.byteLength % 8 !== 0) writer.u8(0x20);
  const header = writer.toBytes();
  const dataOffset = header.byteLength;
  if (dataOffset - 8 > MAX_WRITTEN_HEADER_BYTE_LENGTH) {
    throw new UsageError(
      `The header would have ${dataOffset - 8} bytes; official readers accept ${MAX_WRITTEN_HEADER_BYTE_LENGTH}.`,
      { hint: "Write several files." },
    );
  }
  new DataView(header.buffer, header.byteOffset).setBigUint64(0, BigInt(dataOffset - 8), true);
  return {
    header,
    metadata: metadata ?? {},
    dataOffset,
    byteLength: dataOffset + end,
    tensors: placed.map((tensor) => ({ ...tensor, byteOffset: dataOffset + tensor.byteOffset })),
  };
}

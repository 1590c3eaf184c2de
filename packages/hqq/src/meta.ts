/** HQQ's settings, which stand in small tensors beside the codes. */
import { type ErrorPlace, FormatError, UnsupportedError } from "@requant/core";
import type { StoredPart } from "@requant/core/format";
import { HQQ_PACKINGS } from "./packing.ts";

/** What the settings say about the stored numbers. */
export interface HqqMeta {
  readonly rows: number;
  readonly columns: number;
  readonly bits: number;
  readonly groupSize: number;
  readonly axis: 0 | 1;
}

/** Tensors of settings (hqq, core/quantize.py: `state_dict`), and those of quantized scales and zero points. */
export const META_SUFFIXES: readonly string[] = [
  "nbits",
  "group_size",
  "shape",
  "axis",
  "packing",
  "channel_wise",
  "compute_dtype",
  "encoded_state_dict",
  "offload_meta",
  "optimize",
  "quant_scale",
  "quant_zero",
  "round_zero",
  "stores_quant_config",
  "unpack_view_dtype",
  "view_as_float",
  "scale_q",
  "zero_q",
];

/** No tensor of settings is longer. */
const MOST_BYTES = 64;

/** Reads the settings. @throws FormatError for one that makes no sense; UnsupportedError for what is not read, by name */
export async function readMeta(
  parts: readonly StoredPart[],
  read: (part: StoredPart) => Promise<Uint8Array>,
  place: ErrorPlace = {},
): Promise<HqqMeta> {
  const bytesOf = async (suffix: string, byteLength?: number): Promise<Uint8Array> => {
    const part = parts.find((one) => one.suffix === suffix);
    if (part === undefined) {
      throw new FormatError(`The part ${suffix} is missing, which holds a setting of HQQ.`, place);
    }
    const fits = byteLength === undefined ? part.byteLength <= MOST_BYTES : part.byteLength === byteLength;
    if (!fits) {
      throw new FormatError(
        `The part ${suffix} has ${part.byteLength} bytes; ${byteLength ?? `at most ${MOST_BYTES}`} were expected.`,
        place,
      );
    }
    return read(part);
  };
  const integer = async (suffix: string): Promise<number> =>
    dataOf(await bytesOf(suffix, 4)).getInt32(0, true);
  const isSet = async (suffix: string): Promise<boolean> =>
    parts.some((part) => part.suffix === suffix) && (await bytesOf(suffix, 1))[0] !== 0;
  for (const [suffix, what] of UNREAD) {
    if (await isSet(suffix)) throw unread(what, place);
  }
  if (parts.some(({ suffix }) => suffix === "scale_q" || suffix === "zero_q")) {
    throw unread("scales or zero points that are quantized too", place);
  }
  const name = new TextDecoder().decode(await bytesOf("packing"));
  const packing = Object.hasOwn(HQQ_PACKINGS, name) ? HQQ_PACKINGS[name] : undefined;
  if (packing === undefined) throw unread(`the packing "${name}"`, place);
  const shape = dataOf(await bytesOf("shape", 16));
  const [rows, columns] = [Number(shape.getBigInt64(0, true)), Number(shape.getBigInt64(8, true))];
  const [bits, groupSize, axis] = [
    await integer("nbits"),
    await integer("group_size"),
    await integer("axis"),
  ];
  if (bits !== packing.bits) {
    throw new FormatError(`HQQ's settings say nbits ${bits} and packing "${name}".`, place);
  }
  if (!(rows > 0 && columns > 0 && groupSize > 0) || (axis !== 0 && axis !== 1)) {
    throw new FormatError(
      `HQQ's settings say shape [${rows}, ${columns}], group_size ${groupSize}, axis ${axis}.`,
      place,
    );
  }
  return { rows, columns, bits, groupSize, axis };
}

/** Settings with which the stored numbers mean something else. */
const UNREAD: readonly (readonly [suffix: string, what: string])[] = [
  ["quant_scale", "scales that are quantized too"],
  ["quant_zero", "zero points that are quantized too"],
  ["view_as_float", "codes that are stored as floats (view_as_float)"],
];

function unread(what: string, place: ErrorPlace): UnsupportedError {
  return new UnsupportedError(`The weights are packed by HQQ with ${what}, which is not read.`, {
    ...place,
    hint: "Start from the float model, or quantize it with HQQ's default settings.",
  });
}

function dataOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

import { type ErrorPlace, FormatError } from "@requant/core";
import type { LinearLayout, ScaleEncoding } from "@requant/core/format";

/** compressed-tensors, format pack-quantized: K columns of W, N rows, b bits, G groups
 *   weight_packed      I32              [N, ⌈K b / 32⌉]  a row's codes as one bit stream: signed code + 2^(b − 1)
 *   weight_scale       F16 (BF16, F32)  [N, G]
 *   weight_shape       I64 (I32)        [2]              N, K
 *   weight_zero_point  I32              [⌈N b / 32⌉, G]  asymmetric only: packed down a column, offset as the codes;
 *                      I8               [N, G]           before 0.9.4: signed
 *   weight_g_idx       I32 (I64)        [K]              act-order only: group of each column
 * value = scale × (code − zero), zero 2^(b − 1) where none is stored.
 * Up to 0.17.1 codes of 3, 5, 6 and 7 bits fill no words: each has ⌊32 / b⌋ of them, low bits first ("loose").
 * Source: compressed-tensors, compressors/quantized_compressors/pack_quantized.py.
 */
export interface CompressedTensorsLayout extends LinearLayout {
  readonly bits: number;
  readonly groupCount: number;
  /** Columns per group, −1 for all. */
  readonly groupSize: number;
  readonly symmetric: boolean;
  readonly scale: ScaleEncoding;
  /** "any": weight_g_idx is stored. */
  readonly grouping: "any" | "sequential";
  /** Absent: one stream of bits. */
  readonly packing?: "loose" | undefined;
  /** Encoding of weight_zero_point, where there is one. Absent: I32, packed. */
  readonly zeros?: "I8" | undefined;
  /** Encoding of weight_shape. Absent: I64. */
  readonly shape?: "I32" | undefined;
  /** Encoding of weight_g_idx. Absent: I32. */
  readonly groupIndex?: "I64" | undefined;
}

/** What the tensors leave open: `CompressedTensorsGroup` tells it. */
export interface CompressedTensorsClaims {
  readonly bits: number;
  readonly groupSize: number;
  /** As weight_shape says, where it was read. */
  readonly columns?: number | undefined;
  /** Of the library that wrote the file: where both packings take as many words, nothing else tells them apart. */
  readonly version?: string | undefined;
}

/** The stored sizes that tell how words are packed. */
export interface PackedSizes {
  readonly rows: number;
  readonly rowWords: number;
  readonly groupCount: number;
  /** Entries of weight_g_idx. */
  readonly groupIndexLength?: number | undefined;
  /** Rows of words of weight_zero_point, where its codes are packed. */
  readonly zeroWords?: number | undefined;
}

/**
 * The number of columns: known, or the one that the words of a row and the groups agree on; and how they are packed.
 */
export function columnsOf(
  { rows, rowWords, groupCount, groupIndexLength, zeroWords }: PackedSizes,
  { bits, groupSize, columns, version }: CompressedTensorsClaims,
): { readonly columns: number; readonly packing: "loose" | undefined } {
  const known = groupIndexLength ?? columns;
  const most = Math.floor((rowWords * 32) / bits);
  const grouped = known ?? (groupSize > 0 ? groupSize * groupCount : most);
  const fits = ([undefined, "loose"] as const).filter(
    (packing) =>
      wordCount({ bits, packing }, grouped) === rowWords &&
      (zeroWords === undefined || wordCount({ bits, packing }, rows) === zeroWords),
  );
  const isDivisor = 32 % bits === 0;
  const packing = fits.length > 1 && !isDivisor && isLooseVersion(version) ? "loose" : fits[0];
  if (fits.length > 0) return { columns: grouped, packing: isDivisor ? undefined : packing };
  return { columns: known ?? most, packing: undefined };
}

/** compressed-tensors 0.18.0 was the first that fills words. */
function isLooseVersion(version: string | undefined): boolean {
  const [major = 0, minor = 0] = (version ?? "").slice(0, 32).split(".").map(Number);
  return version !== undefined && major === 0 && minor < 18;
}

/** Words that codes or zero points in a row take. */
export function wordCount(
  { bits, packing }: Pick<CompressedTensorsLayout, "bits" | "packing">,
  count: number,
): number {
  return packing === "loose" ? Math.ceil(count / Math.floor(32 / bits)) : Math.ceil((count * bits) / 32);
}

export function groupSizeOf(columns: number, groupCount: number, claimed: number, place: ErrorPlace): number {
  if (groupCount === 1) return claimed >= columns ? claimed : -1;
  if (claimed > 0 && Math.ceil(columns / claimed) === groupCount) return claimed;
  if (columns % groupCount === 0) return columns / groupCount;
  throw new FormatError(
    `The part weight_scale has ${groupCount} groups, which do not divide ${columns} columns; the configuration says groups of ${claimed}.`,
    place,
  );
}

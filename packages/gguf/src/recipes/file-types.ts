import { type ErrorPlace, UnsupportedError, UsageError } from "@requant/core";
import { didYouMean, quoted } from "@requant/core/text";

/**
 * A target of llama-quantize: a whole file's mix of tensor types.
 * Names and numbers: llama.cpp, include/llama.h (`llama_ftype`) and tools/quantize/quantize.cpp.
 */
export interface FileType {
  readonly name: string;
  /** `general.file_type`. -1 for COPY, which keeps the source's. */
  readonly number: number;
  /** The type of every tensor that no rule names. */
  readonly baseType: string;
  /** Without an importance matrix, llama-quantize refuses this target, and so does Requant. */
  readonly requiresImatrix: boolean;
  readonly description: string;
}

function row(name: string, number: number, baseType: string, description: string): FileType {
  return { name, number, baseType, requiresImatrix: false, description };
}

function rowWithImatrix(name: string, number: number, baseType: string, description: string): FileType {
  return { name, number, baseType, requiresImatrix: true, description };
}

/** Every target that llama-quantize offers, smallest first. */
export const fileTypes: readonly FileType[] = [
  row("Q1_0", 40, "Q1_0", "signs only, one scale per 128"),
  rowWithImatrix("IQ1_S", 24, "IQ1_S", "1.56-bit codebook, Q2_K and IQ2_XXS where it hurts"),
  rowWithImatrix("IQ1_M", 31, "IQ1_M", "1.75-bit codebook, Q2_K and IQ2_XXS where it hurts"),
  row("TQ1_0", 36, "TQ1_0", "ternary, 1.69 bits: for models trained so"),
  row("TQ2_0", 37, "TQ2_0", "ternary, 2.06 bits: for models trained so"),
  rowWithImatrix("IQ2_XXS", 19, "IQ2_XXS", "2.06-bit codebook"),
  row("Q2_0", 41, "Q2_0", "two bits, one scale per 64"),
  rowWithImatrix("IQ2_XS", 20, "IQ2_XS", "2.31-bit codebook"),
  rowWithImatrix("IQ2_S", 28, "IQ2_XS", "IQ2_XS with IQ3_S attention values and outputs"),
  rowWithImatrix("IQ2_M", 29, "IQ2_S", "IQ2_S with IQ3_S attention values and outputs"),
  rowWithImatrix("Q2_K_S", 21, "Q2_K", "2.63-bit K-quant, almost uniform"),
  row("Q2_K", 10, "Q2_K", "2.63-bit K-quant, Q3_K where it hurts"),
  rowWithImatrix("IQ3_XXS", 23, "IQ3_XXS", "3.06-bit codebook, smaller attention queries and keys"),
  rowWithImatrix("IQ3_XS", 22, "IQ3_S", "IQ3_S with IQ3_XXS queries, keys and middle layers"),
  row("Q3_K_S", 11, "Q3_K", "3.44-bit K-quant, uniform"),
  row("IQ3_S", 26, "IQ3_S", "3.44-bit codebook"),
  row("IQ3_M", 27, "IQ3_S", "IQ3_S with Q4_K attention values and outputs"),
  row("Q3_K_M", 12, "Q3_K", "Q3_K with Q4_K and Q5_K where it hurts"),
  row("Q3_K_L", 13, "Q3_K", "Q3_K with Q5_K where it hurts"),
  row("IQ4_XS", 30, "IQ4_XS", "4.25-bit, non-linear"),
  row("MXFP4_MOE", 38, "MXFP4", "stacked experts MXFP4, everything else Q8_0"),
  row("Q4_0", 2, "Q4_0", "4.5-bit, one scale per 32"),
  row("IQ4_NL", 25, "IQ4_NL", "4.5-bit, non-linear, blocks of 32"),
  row("Q4_K_S", 14, "Q4_K", "4.5-bit K-quant, Q5_K in the first layers"),
  row("Q4_K_M", 15, "Q4_K", "4.5-bit K-quant, Q6_K in half of attn_v and ffn_down"),
  row("Q4_1", 3, "Q4_1", "5-bit in sum, scale and minimum per 32"),
  row("Q5_0", 8, "Q5_0", "5.5-bit, one scale per 32"),
  row("Q5_K_S", 16, "Q5_K", "5.5-bit K-quant, uniform"),
  row("Q5_K_M", 17, "Q5_K", "5.5-bit K-quant, Q6_K in half of attn_v and ffn_down"),
  row("Q5_1", 9, "Q5_1", "6-bit in sum, scale and minimum per 32"),
  row("Q6_K", 18, "Q6_K", "6.56-bit K-quant, uniform"),
  row("Q8_0", 7, "Q8_0", "8.5-bit, one scale per 32"),
  row("F16", 1, "F16", "half precision"),
  row("BF16", 32, "BF16", "bfloat16"),
  row("F32", 0, "F32", "single precision"),
  row("COPY", -1, "F32", "every tensor as it is"),
];

/** Short names that llama-quantize takes for the medium mixes. */
export const fileTypeAliases: Readonly<Record<string, string>> = {
  Q3_K: "Q3_K_M",
  Q4_K: "Q4_K_M",
  Q5_K: "Q5_K_M",
};

/** A `general.file_type` that llama-quantize does not write, or no longer writes. */
export interface ForeignFileType {
  readonly name: string;
  readonly number: number;
  readonly origin: string;
}

const converter = "llama.cpp's converter";
const removed = "old versions of llama.cpp";
const fork = "ik_llama.cpp";

/** Refused as targets, by name; recognised by number. Facts: ik_llama.cpp, include/llama.h. */
export const foreignFileTypes: readonly ForeignFileType[] = [
  { name: "NVFP4", number: 39, origin: converter },
  { name: "Q4_1_SOME_F16", number: 4, origin: removed },
  { name: "Q4_2", number: 5, origin: removed },
  { name: "Q4_3", number: 6, origin: removed },
  { name: "Q4_0_4_4", number: 33, origin: removed },
  { name: "Q4_0_4_8", number: 34, origin: removed },
  { name: "Q4_0_8_8", number: 35, origin: removed },
  { name: "Q6_0", number: 135, origin: fork },
  { name: "IQ1_BN", number: 136, origin: fork },
  { name: "IQ2_BN", number: 137, origin: fork },
  { name: "IQ2_K", number: 138, origin: fork },
  { name: "IQ3_K", number: 139, origin: fork },
  { name: "IQ4_K", number: 140, origin: fork },
  { name: "IQ5_K", number: 141, origin: fork },
  { name: "IQ6_K", number: 142, origin: fork },
  { name: "IQ4_KS", number: 145, origin: fork },
  { name: "IQ3_KL", number: 146, origin: fork },
  { name: "IQ2_KS", number: 147, origin: fork },
  { name: "IQ4_KSS", number: 148, origin: fork },
  { name: "Q8_KV", number: 149, origin: fork },
  { name: "IQ5_KS", number: 150, origin: fork },
  { name: "IQ2_KT", number: 151, origin: fork },
  { name: "IQ3_KT", number: 152, origin: fork },
  { name: "IQ4_KT", number: 153, origin: fork },
  { name: "IQ3_KS", number: 154, origin: fork },
  { name: "IQ2_KL", number: 155, origin: fork },
  { name: "IQ1_KT", number: 156, origin: fork },
  { name: "Q4_0_R8", number: 202, origin: fork },
  { name: "Q8_0_R8", number: 207, origin: fork },
  { name: "Q5_0_R4", number: 208, origin: fork },
  { name: "Q2_K_R4", number: 210, origin: fork },
  { name: "Q3_K_R4", number: 211, origin: fork },
  { name: "Q4_K_R4", number: 214, origin: fork },
  { name: "Q5_K_R4", number: 216, origin: fork },
  { name: "Q6_K_R4", number: 218, origin: fork },
  { name: "IQ2_XXS_R4", number: 219, origin: fork },
  { name: "IQ2_XS_R4", number: 220, origin: fork },
  { name: "IQ3_XXS_R4", number: 223, origin: fork },
  { name: "IQ1_S_R4", number: 224, origin: fork },
  { name: "IQ4_NL_R4", number: 225, origin: fork },
  { name: "IQ3_S_R4", number: 226, origin: fork },
  { name: "IQ2_M_R4", number: 229, origin: fork },
  { name: "IQ4_XS_R8", number: 230, origin: fork },
  { name: "IQ1_M_R4", number: 231, origin: fork },
  { name: "BF16_R16", number: 232, origin: fork },
  { name: "Q6_0_R4", number: 335, origin: fork },
  { name: "IQ2_BN_R4", number: 337, origin: fork },
  { name: "IQ2_K_R4", number: 338, origin: fork },
  { name: "IQ3_K_R4", number: 339, origin: fork },
  { name: "IQ4_K_R4", number: 340, origin: fork },
  { name: "IQ5_K_R4", number: 341, origin: fork },
  { name: "IQ4_KS_R4", number: 345, origin: fork },
  { name: "IQ5_KS_R4", number: 350, origin: fork },
  { name: "Q8_KV_R8", number: 398, origin: fork },
  { name: "Q8_K_R8", number: 399, origin: fork },
];

const byName: ReadonlyMap<string, FileType> = new Map(fileTypes.map((type) => [type.name, type]));

/** True for a name (any case, aliases too) that `fileTypeByName` accepts. */
export function isFileTypeName(name: string): boolean {
  const upper = name.toUpperCase();
  return byName.has(fileTypeAliases[upper] ?? upper);
}

/**
 * The target of that name, in any case; `Q4_K` means `Q4_K_M`, as in llama-quantize.
 * @throws UnsupportedError for a target of a fork or of an old llama.cpp
 * @throws UsageError for any other name
 */
export function fileTypeByName(name: string, place: ErrorPlace = {}): FileType {
  const upper = name.toUpperCase();
  const found = byName.get(fileTypeAliases[upper] ?? upper);
  if (found !== undefined) return found;
  const foreign = foreignFileTypes.find((type) => type.name === upper);
  if (foreign !== undefined) {
    throw new UnsupportedError(
      `${foreign.name} is a file type of ${foreign.origin}; llama-quantize does not offer it, and Requant does not write it.`,
      { ...place, hint: "Choose one of llama-quantize's targets." },
    );
  }
  const names = fileTypes.map((type) => type.name.toLowerCase());
  throw new UsageError(
    `${quoted(name)} is not a GGUF target.${didYouMean(name, [...names, ...Object.keys(fileTypeAliases)])}`,
    { ...place, hint: `Choose one of ${names.join(" ")}.` },
  );
}

/** The meaning of a stored `general.file_type`; undefined for an unknown number. */
export function fileTypeByNumber(number: number): FileType | ForeignFileType | undefined {
  return (
    fileTypes.find((type) => type.number === number && type.name !== "COPY") ??
    foreignFileTypes.find((type) => type.number === number)
  );
}

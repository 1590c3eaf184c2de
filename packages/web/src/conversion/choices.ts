/** What a person chooses about a conversion. Texts are as they were typed: the host understands or refuses them. */
export interface ConversionChoices {
  readonly target: string;
  /** Of the file or folder that is made; "" for one that follows from the model and the target. */
  readonly name: string;
  readonly exact: boolean;
  readonly grids: boolean;
  readonly pure: boolean;
  readonly allowRequantize: boolean;
  readonly requantizeRest: boolean;
  readonly outputTensor: string;
  readonly tokenEmbedding: string;
  readonly shardSize: string;
  /** With a target that ends in `:auto`: "4.5bpw" or "4.5GB". */
  readonly size: string;
  readonly imatrix: File | undefined;
}

export const noChoices: ConversionChoices = {
  target: "",
  name: "",
  exact: false,
  grids: false,
  pure: false,
  allowRequantize: false,
  requantizeRest: false,
  outputTensor: "",
  tokenEmbedding: "",
  shardSize: "",
  size: "",
  imatrix: undefined,
};

/** The choices that are on or off, and those that are typed, in the order in which they are shown. */
export const switches = ["exact", "grids", "pure", "allowRequantize", "requantizeRest"] as const;
export const typed = ["size", "outputTensor", "tokenEmbedding", "shardSize"] as const;

/** Where the files go: a folder that a person chose, or the browser's own storage. */
export type OutputPlace =
  | { readonly kind: "storage" }
  | { readonly kind: "folder"; readonly handle: FileSystemDirectoryHandle };

/** "kjv" and "gguf:q4_k_m" are "kjv-q4_k_m.gguf". */
export function outputName(model: string, target: string): string {
  const file = model.split(/[\\/]/).at(-1) ?? "";
  const stem = file.replace(/\.(gguf|safetensors)$/i, "") || "model";
  const [format = "", words = ""] = target.trim().toLowerCase().split(":");
  if (format === "gguf") return `${stem}-${words}.gguf`;
  return [stem, format, words].filter((word) => word !== "").join("-");
}

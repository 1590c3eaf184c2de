/** What a file or its index does that readers may trip over, although it can be read. */
export type SafetensorsWarningCode = "control-character" | "unlisted-tensor" | "total-size" | "no-index";

/** Something odd that does not keep a file from being read. */
export interface SafetensorsWarning {
  readonly code: SafetensorsWarningCode;
  /** One sentence. */
  readonly message: string;
  /** Tensor name, where the warning is about one. */
  readonly tensor?: string;
}

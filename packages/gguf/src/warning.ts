/** What a file does that readers may trip over, although it can be read. */
export type GgufWarningCode =
  | "invalid-utf8"
  | "long-name"
  | "control-character"
  | "no-dimensions"
  | "gap"
  | "order"
  | "trailing-bytes";

/** Something odd that does not keep a file from being read. */
export interface GgufWarning {
  readonly code: GgufWarningCode;
  /** One sentence. */
  readonly message: string;
  /** Tensor name, where the warning is about one. */
  readonly tensor?: string;
  /** Metadata key, where the warning is about one. */
  readonly key?: string;
}

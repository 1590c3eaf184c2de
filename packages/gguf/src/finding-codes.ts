/** What a file does that readers may trip over, although it can be read, and what a recipe has no use for. */
export type GgufFindingCode =
  | "invalid-utf8"
  | "long-name"
  | "control-character"
  | "no-dimensions"
  | "gap"
  | "order"
  | "trailing-bytes"
  | "not-used";

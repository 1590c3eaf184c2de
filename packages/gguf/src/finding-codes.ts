/** Properties of a readable file that other readers may not accept. */
export type GgufFindingCode =
  | "invalid-utf8"
  | "long-name"
  | "control-character"
  | "no-dimensions"
  | "gap"
  | "order"
  | "trailing-bytes";

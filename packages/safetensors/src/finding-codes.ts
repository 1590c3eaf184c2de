/** What a file or its index does that readers may trip over, although it can be read. */
export type SafetensorsFindingCode =
  | "control-character"
  | "unlisted-tensor"
  | "total-size"
  | "no-index"
  | "unused-index";

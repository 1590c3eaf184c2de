/** Properties of a readable file or its index that other readers may not accept. */
export type SafetensorsFindingCode = "control-character" | "unlisted-tensor" | "total-size" | "no-index";

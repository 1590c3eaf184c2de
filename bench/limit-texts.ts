/** What keeps each figure from being better: texts of the page, written by hand after looking at profiles. */

export type GoalName =
  | "q8_0"
  | "q4_0"
  | "q4_k_m"
  | "hf"
  | "importance"
  | "packed"
  | "linear"
  | "twins"
  | "verify"
  | "edits"
  | "rounding"
  | "header"
  | "browser"
  | "growth"
  | "memory";

export const limitTexts: Readonly<Record<GoalName, string>> = {
  q8_0: "To be written.",
  q4_0: "To be written.",
  q4_k_m: "To be written.",
  hf: "To be written.",
  importance: "To be written.",
  packed: "To be written.",
  linear: "To be written.",
  twins: "To be written.",
  verify: "To be written.",
  edits: "To be written.",
  rounding: "To be written.",
  header: "To be written.",
  browser: "To be written.",
  growth: "To be written.",
  memory: "To be written.",
};

import { signal } from "@preact/signals";

/** The views of a model, in the order of their tabs. */
export const tabNames = [
  "overview",
  "tensors",
  "pictures",
  "tensor",
  "metadata",
  "tokens",
  "compare",
  "convert",
] as const;

export type TabName = (typeof tabNames)[number];

export const shownTab = signal<TabName>("overview");

import type { CollectReport } from "@requant/convert";
import { byteQuantity, counted } from "./quantity.ts";

/** What a file of statistics holds. */
export function statisticsSummary(
  output: string,
  {
    entries,
    windows,
    window,
    byteLength,
  }: Pick<CollectReport, "entries" | "windows" | "window" | "byteLength">,
): string {
  return `${output}: statistics of ${counted(entries, "input")} over ${windows} windows of ${window} tokens, ${byteQuantity(byteLength)}`;
}

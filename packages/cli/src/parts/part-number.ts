import { type PartNumber, refusePart } from "@requant/convert";
import { UsageError } from "@requant/core";
import { quoted } from "@requant/core/text";

/** `3/16`: part 3 of 16. @throws UsageError for anything else */
export function parsePart(text: string): PartNumber {
  const [, part, count] = /^(\d{1,15})\/(\d{1,15})$/.exec(text.trim()) ?? [];
  if (part === undefined || count === undefined) {
    throw new UsageError(`${quoted(text)} is no part of a plan.`, {
      hint: "Write the number of the part and the number of all parts: 1/16 is the first, 16/16 the last.",
    });
  }
  const number = { part: Number(part), count: Number(count) };
  refusePart(number);
  return number;
}

import { UsageError } from "@requant/core";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  KI: 2 ** 10,
  MI: 2 ** 20,
  GI: 2 ** 30,
  TI: 2 ** 40,
};

/** `5G`, `500MB`, `4GiB`: decimal units as the hub's tools use them, binary ones with an i. */
export function parseByteSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?I?)B?$/i.exec(text.trim());
  const unit = UNITS[match?.[2]?.toUpperCase() ?? "?"];
  const size = match === null || unit === undefined ? Number.NaN : Math.floor(Number(match[1]) * unit);
  if (!Number.isSafeInteger(size) || size <= 0) {
    throw new UsageError(`"${text}" is no size`, { hint: "Write a number with a unit: 5G, 500M, 4GiB." });
  }
  return size;
}

/** A whole number, zero or more. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text.trim()) || !Number.isSafeInteger(count)) {
    throw new UsageError(`"${text}" is no whole number`, { hint: "Write digits only." });
  }
  return count;
}

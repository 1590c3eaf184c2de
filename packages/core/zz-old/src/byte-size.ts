import { UsageError } from "./errors.ts";
import { bounded } from "./text.ts";

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  KI: 2 ** 10,
  MI: 2 ** 20,
  GI: 2 ** 30,
  TI: 2 ** 40,
};

/** What messages and help say about them. */
export const sizeUnits =
  "B (bytes), K, M, G, T or KB, MB, GB, TB (powers of 1000), or KiB, MiB, GiB, TiB (powers of 1024)";

/** `5G`, `500MB`, `4GiB`: decimal units as the hub's tools use them, binary ones with an i. A number alone is no size. */
export function parseByteSize(text: string): number {
  const [, digits = "", word = ""] = /^(\d+(?:\.\d+)?)\s*([A-Z]{0,3})$/i.exec(text.trim()) ?? [];
  const shown = bounded(text, 40);
  if (digits !== "" && word === "") {
    throw new UsageError(`The size "${shown}" has no unit.`, {
      hint: `Write ${digits}G or ${digits}GiB, for example; the units are ${sizeUnits}.`,
    });
  }
  const name = word.toUpperCase();
  const unit = UNITS[name] ?? UNITS[name.replace(/B$/, "")];
  const size = digits === "" || unit === undefined ? Number.NaN : Math.floor(Number(digits) * unit);
  if (!Number.isSafeInteger(size) || size <= 0) {
    throw new UsageError(`"${shown}" is not a size.`, {
      hint: `Write a number with a unit, such as 5G or 4GiB; the units are ${sizeUnits}.`,
    });
  }
  return size;
}

/** A whole number, zero or more. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text.trim()) || !Number.isSafeInteger(count)) {
    throw new UsageError(`"${bounded(text, 40)}" is not a whole number.`, { hint: "Write digits only." });
  }
  return count;
}

/** `4.5`, as programs print it; a unit is allowed: `4.5bpw`. */
export function parseBitsPerWeight(text: string): number {
  const [, digits = ""] = /^(\d{1,3}(?:\.\d{1,9})?)(?:bpw)?$/i.exec(text.trim()) ?? [];
  const bits = Number(digits);
  if (digits !== "" && bits > 0) return bits;
  throw new UsageError(`"${bounded(text, 40)}" is not a number of bits per weight.`, {
    hint: "Write a number such as 4.5.",
  });
}

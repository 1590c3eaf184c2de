/** How the values of options are read. */
import { InvalidArgumentError } from "commander";

/** Values of an option that may be given several times. */
export function collect(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

/** A number of threads. */
export function positive(value: string): number {
  const parsed = Number(value);
  if (!/^\d+$/.test(value) || parsed < 1 || parsed > 1024)
    throw new InvalidArgumentError("It must be a whole number from 1 to 1024.");
  return parsed;
}

/** A TCP port. */
export function port(value: string): number {
  const parsed = Number(value);
  if (!/^\d{1,5}$/.test(value) || parsed > 65_535)
    throw new InvalidArgumentError("It must be a whole number from 0 to 65535.");
  return parsed;
}

/** What runs a model over a text. */
export function device(value: string): string {
  if (value === "cpu" || value === "webgpu") return value;
  throw new InvalidArgumentError("It must be cpu or webgpu.");
}

/** A relative error: `0.01` or `1%`. */
export function tolerance(value: string): number {
  const [, digits = "", percent = ""] =
    /^(\d{1,9}(?:\.\d{1,15})?(?:e-?\d{1,2})?)(%?)$/i.exec(value.trim()) ?? [];
  const parsed = Number(digits) / (percent === "" ? 1 : 100);
  if (digits === "" || !Number.isFinite(parsed))
    throw new InvalidArgumentError("It must be a number, zero or more, such as 0.01 or 1%.");
  return parsed;
}

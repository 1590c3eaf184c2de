const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;
const COUNT_UNITS = ["", "K", "M", "B", "T"] as const;

function scaled(value: number, units: readonly string[]): string {
  let unit = 0;
  let rest = value;
  while (rest >= 999.5 && unit < units.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2;
  return `${rest.toFixed(digits)}${units === BYTE_UNITS ? " " : ""}${units[unit]}`;
}

/** Decimal units, as disks and downloads are sold: `1.44 MB`. */
export function byteQuantity(byteLength: number): string {
  return scaled(byteLength, BYTE_UNITS);
}

/** Parameter counts as model names say them: `8.03B`. */
export function countQuantity(count: number): string {
  return scaled(count, COUNT_UNITS);
}

/** Three significant digits, exponent where the number is small. */
export function measure(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e6 ? value.toPrecision(3) : value.toExponential(2);
}

/** Three significant digits of a hundredth: `0.571 %`. */
export function percentage(share: number): string {
  if (Number.isNaN(share)) return "not a number";
  if (!Number.isFinite(share)) return share > 0 ? "∞" : "−∞";
  return share === 0 ? "0 %" : `${measure(share * 100)} %`;
}

/** A number with its noun, which is plural unless it is one: `1 error`, `2 errors`, `0 errors`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}

/** What follows a summary where an earlier run had done a part. */
export function earlierSteps(count: number): string {
  return count === 0 ? "" : `; ${counted(count, "step")} of an earlier run`;
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = String(Math.round(seconds % 60)).padStart(2, "0");
  return minutes < 60
    ? `${minutes}:${rest}`
    : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

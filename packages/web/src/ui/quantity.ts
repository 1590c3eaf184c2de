/** Numbers for people. */

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** 1,500,000 → "1.5 MB". */
export function byteQuantity(byteLength: number): string {
  const power = byteLength < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(byteLength) / 3));
  const value = byteLength / 1000 ** power;
  const digits = power === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[power]}`;
}

/** 7,241,732,096 → "7.24 B". */
export function countQuantity(count: number): string {
  if (count < 1e4) return count.toLocaleString("en");
  const [unit, size] =
    count >= 1e12 ? ["T", 1e12] : count >= 1e9 ? ["B", 1e9] : count >= 1e6 ? ["M", 1e6] : ["K", 1e3];
  return `${(count / Number(size)).toPrecision(3)} ${unit}`;
}

export function shapeText(shape: readonly number[]): string {
  return shape.length === 0 ? "scalar" : shape.join(" × ");
}

/** At most four digits. */
export function figure(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return value.toLocaleString("en");
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e7)
    ? value.toExponential(3)
    : String(Number(value.toPrecision(4)));
}

/** 75 → "1 min 15 s". */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** 131,072 → "128 KiB". */
export function binaryQuantity(byteLength: number): string {
  const power = byteLength < 1024 ? 0 : Math.min(3, Math.floor(Math.log2(byteLength) / 10));
  return `${figure(byteLength / 1024 ** power)} ${["B", "KiB", "MiB", "GiB"][power]}`;
}

const buffers = new WeakMap<object, ArrayBuffer[]>();

/** Marks memory of a result that moves to the page instead of being copied. The host must not use it any more. */
export function transferring<T extends object>(value: T, memory: readonly ArrayBuffer[]): T {
  buffers.set(value, [...memory]);
  return value;
}

export function transferredBy(value: unknown): ArrayBuffer[] {
  return (typeof value === "object" && value !== null && buffers.get(value)) || [];
}

import { UsageError } from "@requant/core";

/** @throws UsageError where a type that needs an importance matrix gets none */
export function requireImportance(name: string, importance: Float32Array | undefined): Float32Array {
  if (importance !== undefined) return importance;
  throw new UsageError(`${name} cannot be quantized without an importance matrix.`, {
    hint: "Give one weight per column, or choose a type that needs none, such as IQ2_S.",
  });
}

import type { Metadata, MetadataValue } from "../../packages/core/src/index.ts";

/** Metadata with every lazy array decoded, comparable by value. */
export function arrayPlain(metadata: Metadata): unknown[] {
  return [...metadata].map(([key, value]) => [key, plain(value)]);
}

function plain(value: MetadataValue): unknown {
  if (value.type !== "array") return [value.type, value.value];
  if (value.elementType === "array") return ["array", value.value.map(plain)];
  return [value.elementType, Array.from<unknown>(value.value)];
}

/** How a format finds its weights among the names of all tensors. */
import { largest } from "../extremes.ts";
import type { TensorInfo } from "../tensor.ts";
import type { LinearPart } from "./linear-codec.ts";
import type { FoundWeight, StoredPart } from "./weight-format.ts";

/**
 * Finds the modules of a format whose parts are named by a suffix of the module: "….q_proj" + ".qweight". A suffix may have
 * dots of its own ("weight.absmax"), and may be "weight". Takes one pass over the tensors.
 * @param isWeight true where the parts of one module are a weight of the format
 */
export function findBySuffixes(
  tensors: readonly TensorInfo[],
  suffixes: readonly string[],
  isWeight: (parts: readonly LinearPart[]) => boolean,
): FoundWeight[] {
  const known = new Set(suffixes);
  const mostDots = largest(suffixes.map((suffix) => suffix.split(".").length)) ?? 0;
  const modules = new Map<string, StoredPart[]>();
  for (const { name, encoding, shape, byteLength } of tensors) {
    const dot = suffixStart(name, known, mostDots);
    if (dot === undefined) continue;
    const module = name.slice(0, dot);
    const parts = modules.get(module) ?? [];
    modules.set(module, parts);
    parts.push({ suffix: name.slice(dot + 1), name, encoding, shape, byteLength });
  }
  return [...modules].map(([module, parts]) => ({ module, parts, isWeight: isWeight(parts) }));
}

/** The dot before the shortest known suffix of a name; undefined where the name has none. */
function suffixStart(name: string, known: ReadonlySet<string>, mostDots: number): number | undefined {
  let dot = name.lastIndexOf(".");
  for (let count = 0; count < mostDots && dot > 0; count++) {
    if (known.has(name.slice(dot + 1))) return dot;
    dot = name.lastIndexOf(".", dot - 1);
  }
  return undefined;
}

/** How a format finds its weights among the names of all tensors. */
import { largest } from "../extremes.ts";
import type { TensorInfo } from "../tensor.ts";
import type { LinearPart } from "./linear-codec.ts";
import type { FoundWeight, StoredPart } from "./weight-format.ts";

/** What stands before and behind the last dot of every name: all formats look at the same list. */
const modulesOf = new WeakMap<readonly TensorInfo[], ReadonlyMap<string, readonly StoredPart[]>>();

/**
 * Finds the modules of a format whose parts are named by a suffix of the module: "….q_proj" + ".qweight". A suffix may have
 * dots of its own ("weight.absmax"), and may be "weight". Takes one pass over the tensors, which formats whose suffixes have
 * no dots share.
 * @param isWeight true where the parts of one module are a weight of the format
 */
export function findBySuffixes(
  tensors: readonly TensorInfo[],
  suffixes: readonly string[],
  isWeight: (parts: readonly LinearPart[]) => boolean,
): FoundWeight[] {
  const known = new Set(suffixes);
  const mostDots = largest(suffixes.map((suffix) => suffix.split(".").length)) ?? 0;
  if (mostDots > 1) return foundIn(partsBySuffixes(tensors, known, mostDots), isWeight);
  const modules = modulesOf.get(tensors) ?? partsByLastDot(tensors);
  modulesOf.set(tensors, modules);
  const own = new Map<string, readonly StoredPart[]>();
  for (const [module, parts] of modules) {
    const ours = parts.every(({ suffix }) => known.has(suffix))
      ? parts
      : parts.filter(({ suffix }) => known.has(suffix));
    if (ours.length > 0) own.set(module, ours);
  }
  return foundIn(own, isWeight);
}

function foundIn(
  modules: ReadonlyMap<string, readonly StoredPart[]>,
  isWeight: (parts: readonly LinearPart[]) => boolean,
): FoundWeight[] {
  return Array.from(modules, ([module, parts]) => ({ module, parts, isWeight: isWeight(parts) }));
}

function partsByLastDot(tensors: readonly TensorInfo[]): Map<string, StoredPart[]> {
  const modules = new Map<string, StoredPart[]>();
  for (const tensor of tensors) addPart(modules, tensor, tensor.name.lastIndexOf("."));
  return modules;
}

function partsBySuffixes(
  tensors: readonly TensorInfo[],
  known: ReadonlySet<string>,
  mostDots: number,
): Map<string, StoredPart[]> {
  const modules = new Map<string, StoredPart[]>();
  for (const tensor of tensors) addPart(modules, tensor, suffixStart(tensor.name, known, mostDots) ?? 0);
  return modules;
}

/** A name without a dot, or with nothing before it, is no part of a module. */
function addPart(modules: Map<string, StoredPart[]>, tensor: TensorInfo, dot: number): void {
  if (dot <= 0) return;
  const { name, encoding, shape, byteLength } = tensor;
  const module = name.slice(0, dot);
  const part = { suffix: name.slice(dot + 1), name, encoding, shape, byteLength };
  const parts = modules.get(module);
  if (parts === undefined) modules.set(module, [part]);
  else parts.push(part);
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

/**
 * Which entries of an importance matrix belong to a tensor. Old files have a tensor for each expert ("ffn_up.3.weight"),
 * new ones one for all ("ffn_up_exps.weight"): the entry of all is that of each, one after the other.
 */
import { rowLength } from "@requant/core";

/** Weights of columns by tensor, as `imatrixWeights` makes them. */
export type ImportanceEntries = ReadonlyMap<string, ArrayLike<number>>;

const ONE_EXPERT = /^(.*\.ffn_(?:gate|up|down))\.(\d+)\.weight$/;
const ALL_EXPERTS = /^(.*\.ffn_(?:gate|up|down))_exps\.weight$/;

/** The names of the entries that a tensor uses; none where the matrix says nothing about it. */
export function fittingEntries(entries: ImportanceEntries, name: string, shape: readonly number[]): string[] {
  if (entries.has(name)) return [name];
  const [, one, expert] = ONE_EXPERT.exec(name) ?? [];
  if (one !== undefined) {
    const merged = `${one}_exps.weight`;
    return isIn(entries.get(merged), rowLength(shape), Number(expert)) ? [merged] : [];
  }
  const [, all] = ALL_EXPERTS.exec(name) ?? [];
  if (all === undefined) return [];
  const found: string[] = [];
  for (let at = 0; entries.has(`${all}.${at}.weight`); at++) found.push(`${all}.${at}.weight`);
  return found;
}

/**
 * The weights of a tensor's columns, of merged experts one expert after the other; undefined where the matrix says
 * nothing about it.
 */
export function importanceOf(
  entries: ImportanceEntries,
  name: string,
  shape: readonly number[],
): ArrayLike<number> | undefined {
  const found: ArrayLike<number>[] = [];
  for (const entry of fittingEntries(entries, name, shape)) {
    const weights = entries.get(entry);
    if (weights !== undefined) found.push(weights);
  }
  const [first, ...others] = found;
  if (first === undefined || entries.has(name)) return first;
  const [, , expert] = ONE_EXPERT.exec(name) ?? [];
  if (expert !== undefined) {
    const columns = rowLength(shape);
    return Float32Array.from(first).subarray(Number(expert) * columns, (Number(expert) + 1) * columns);
  }
  const joined = new Float32Array(found.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of [first, ...others]) {
    joined.set(Float32Array.from(part), at);
    at += part.length;
  }
  return joined;
}

/** True for a merged entry of whole experts that has this one. */
function isIn(merged: ArrayLike<number> | undefined, columns: number, expert: number): boolean {
  if (merged === undefined || columns === 0 || merged.length % columns !== 0) return false;
  return expert < merged.length / columns;
}

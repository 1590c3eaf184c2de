/**
 * llama-quantize's tensor order: first the tensors outside layers, by name, then layer by layer, each by name. Names are
 * compared as bytes, so "output.weight" comes before "output_norm.weight" (llama.cpp, src/llama-model-loader.h).
 */
export function compareTensorNames(a: string, b: string): number {
  const layers = (layerOf(a) ?? -1) - (layerOf(b) ?? -1);
  if (layers !== 0) return layers;
  return compareBytes(a, b);
}

/** N of "blk.N.…". */
export function layerOf(name: string): number | undefined {
  const digits = /^blk\.(\d+)/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** By code points, which is the order of their UTF-8 bytes; UTF-16 units order surrogates differently. */
function compareBytes(a: string, b: string): number {
  if (a === b) return 0;
  const left = Array.from(a, (char) => char.codePointAt(0) ?? 0);
  const right = Array.from(b, (char) => char.codePointAt(0) ?? 0);
  for (const [i, point] of left.entries()) {
    const other = right[i];
    if (other === undefined) return 1;
    if (point !== other) return point - other;
  }
  return -1;
}

export interface Renamed<T> {
  readonly item: T;
  readonly name: string;
}

export interface Pruned<T> {
  readonly kept: readonly Renamed<T>[];
  /** `block_count` of the pruned model; undefined where no layer is pruned. */
  readonly layerCount: number | undefined;
}

/** Leaves out the tensors of some layers and closes the gaps in the numbering. `items` are in output order. */
export function pruneLayers<T extends { readonly name: string }>(
  items: readonly T[],
  layers: readonly number[],
): Pruned<T> {
  if (layers.length === 0)
    return { kept: items.map((item) => ({ item, name: item.name })), layerCount: undefined };
  const dropped = new Set(layers);
  const left = new Set<number>();
  for (const { name } of items) {
    const layer = layerIn(name)?.layer;
    if (layer !== undefined && !dropped.has(layer)) left.add(layer);
  }
  const renumbered = new Map([...left].sort((a, b) => a - b).map((layer, rank) => [layer, rank]));
  const kept: Renamed<T>[] = [];
  for (const item of items) {
    const found = layerIn(item.name);
    const rank = found === undefined ? undefined : renumbered.get(found.layer);
    if (found === undefined) kept.push({ item, name: item.name });
    else if (rank !== undefined) kept.push({ item, name: `${found.before}blk.${rank}.${found.after}` });
  }
  return { kept, layerCount: renumbered.size };
}

/** The numbers of all layers. */
export function layersOf(tensors: readonly { readonly name: string }[]): ReadonlySet<number> {
  return new Set(tensors.flatMap(({ name }) => layerIn(name)?.layer ?? []));
}

/** The layer number anywhere in a name: encoders have their own prefixes. */
function layerIn(name: string): { layer: number; before: string; after: string } | undefined {
  const match = /blk\.(\d+)\./.exec(name);
  if (match === null) return undefined;
  return {
    layer: Number(match[1]),
    before: name.slice(0, match.index),
    after: name.slice(match.index + match[0].length),
  };
}

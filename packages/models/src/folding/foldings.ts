/** Where scales can be folded into a model without changing what it computes, by GGUF's names. */
import { elementCount, type Finding, type Metadata } from "@requant/core";
import { numberOf, numbersOf, stringOf } from "../metadata-values.ts";
import { type FoldRule, foldRules } from "./families.ts";

/** A tensor by its GGUF name. */
export interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** One scale per channel, how it is divided out, and who is multiplied by it. */
export interface Folding {
  /** Weights whose columns are multiplied: all that read the divided numbers. */
  readonly readers: readonly string[];
  /** Columns of each reader. */
  readonly columns: number;
  /** Matrices of each reader that have scales of their own: experts, or 1. */
  readonly matrices: number;
  readonly divided: DividedNumbers;
  /**
   * `sharedColumn[column]` is the divided row, counted from `divided.start`, that the column reads; several columns read one
   * row where query heads share value heads. Absent: row for column.
   */
  readonly sharedColumn?: Int32Array | undefined;
}

/** What is divided by the scales. */
export type DividedNumbers =
  /** All numbers of these 1-D tensors: a norm's weight, and its bias where it has one. */
  | { readonly kind: "norm"; readonly tensors: readonly string[] }
  /** Of each matrix of `tensor` the rows `[start, start + count)`, and the same elements of `bias`. */
  | {
      readonly kind: "rows";
      readonly tensor: string;
      readonly bias: string | undefined;
      readonly start: number;
      readonly count: number;
    };

/** All places of a model, and what the user should know about layers that have none. */
export interface Foldings {
  readonly foldings: readonly Folding[];
  readonly findings: readonly Finding[];
}

const LAYER = /^blk\.(\d+)\.(.+)\.(weight|bias)$/;

/** Finds them from a GGUF's metadata and the names and shapes of its tensors. */
export function foldingsOf(metadata: Metadata, tensors: readonly NamedShape[]): Foldings {
  const architecture = stringOf(metadata.get("general.architecture")) ?? "";
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]));
  const layers = new Map<number, Set<string>>();
  for (const { name } of tensors) {
    const [, layer, module] = LAYER.exec(name) ?? [];
    if (layer === undefined || module === undefined) continue;
    const modules = layers.get(Number(layer)) ?? new Set();
    layers.set(Number(layer), modules.add(module));
  }
  const foldings: Folding[] = [];
  const without: number[] = [];
  for (const [layer, modules] of layers) {
    const rules = foldRules(architecture, modules);
    if (rules === undefined) without.push(layer);
    const heads = headsOf(metadata, architecture, layer);
    for (const rule of rules ?? []) {
      const found = foldingOf(rule, `blk.${layer}.`, shapes, heads);
      if (found !== undefined) foldings.push(found);
    }
  }
  return {
    foldings,
    findings: without.length === 0 ? [] : [nothingFolded(architecture, without, layers.size)],
  };
}

function nothingFolded(architecture: string, layers: readonly number[], all: number): Finding {
  return {
    code: "no-folding",
    severity: "note",
    message: `It is not known where scales can be folded into ${layers.length} of ${all} layers of the architecture ${architecture}: their weights are quantized without scales.`,
    tensor: `blk.${layers[0] ?? 0}`,
  };
}

interface Heads {
  readonly query: number;
  readonly value: number;
}

function headsOf(metadata: Metadata, architecture: string, layer: number): Heads | undefined {
  const count = (key: string): number | undefined => {
    const value = metadata.get(`${architecture}.attention.${key}`);
    return numberOf(value) ?? numbersOf(value)?.[layer];
  };
  const query = count("head_count");
  return query === undefined ? undefined : { query, value: count("head_count_kv") ?? query };
}

function foldingOf(
  { divided, part, readers: modules }: FoldRule,
  prefix: string,
  shapes: ReadonlyMap<string, readonly number[]>,
  heads: Heads | undefined,
): Folding | undefined {
  const tensor = `${prefix}${divided}.weight`;
  const shape = shapes.get(tensor);
  const readers = modules.map((module) => `${prefix}${module}.weight`).filter((name) => shapes.has(name));
  const [first] = readers;
  if (shape === undefined || first === undefined) return undefined;
  const columns = shapes.get(first)?.at(-1) ?? 0;
  if (readers.some((name) => shapes.get(name)?.at(-1) !== columns)) return undefined;
  const biasName = `${prefix}${divided}.bias`;
  const bias = shapes.has(biasName) ? biasName : undefined;
  if (part === "norm") {
    if (elementCount(shape) !== columns) return undefined;
    const tensors = bias === undefined ? [tensor] : [tensor, bias];
    return { readers, columns, matrices: 1, divided: { kind: "norm", tensors } };
  }
  const rows = shape.at(-2) ?? 0;
  const matrices = elementCount(shape.slice(0, -2));
  const shared = part === "values" ? sharedHeads(columns, heads) : undefined;
  if (part === "values" && shared === undefined) return undefined;
  const count = shared?.rows ?? columns;
  const start = part === "rows" ? 0 : part === "second-half" ? rows / 2 : rows - count;
  if (start < 0 || start + count !== rows) return undefined;
  return {
    readers,
    columns,
    matrices,
    divided: { kind: "rows", tensor, bias, start, count },
    sharedColumn: shared?.sharedColumn,
  };
}

/** Which row of the value heads each column of the output projection reads. */
function sharedHeads(
  columns: number,
  heads: Heads | undefined,
): { readonly rows: number; readonly sharedColumn: Int32Array | undefined } | undefined {
  if (heads === undefined) return undefined;
  const length = columns / heads.query;
  const each = heads.query / heads.value;
  if (!Number.isInteger(length) || !Number.isInteger(each)) return undefined;
  if (each === 1) return { rows: columns, sharedColumn: undefined };
  const sharedColumn = Int32Array.from({ length: columns }, (_, column) => {
    const head = Math.floor(column / length);
    return Math.floor(head / each) * length + (column % length);
  });
  return { rows: columns / each, sharedColumn };
}

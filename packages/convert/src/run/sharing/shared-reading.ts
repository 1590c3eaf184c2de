/** Which weights of a plan with several targets are made of one reading of the source. Nothing is read to decide it. */
import { rowLength } from "@requant/core";
import { isRowSelection, plannedSources } from "@requant/models";
import { addToGroup } from "../../model/add-to-group.ts";
import { blockOf } from "../../model/encodings.ts";
import type { Model } from "../../model/model.ts";
import type { FileLayout } from "../../plan/files/layout.ts";
import type { Plan, PlanTensor } from "../../plan/plan.ts";
import { isCopied } from "../ways/row-set.ts";

/** Weights by their index in the plan. */
export interface SharedReading {
  /** Weights of the same stored rows: each band of rows is read and decoded once. */
  readonly sets: readonly (readonly number[])[];
  /** By a packed weight of the source: the weights that are made while its parts stay in memory. */
  readonly held: ReadonlyMap<string, readonly number[]>;
}

export const nothingShared: SharedReading = { sets: [], held: new Map() };

interface Indexed {
  readonly index: number;
  readonly weight: PlanTensor;
}

/** What the weights of the files share, in a plan with several targets. A file alone is made as the plan of its target makes it. */
export function sharedByTargets(plan: Plan, model: Model, layouts: readonly FileLayout[]): SharedReading {
  if (plan.targets === undefined || layouts.length === 1) return nothingShared;
  const placed = layouts.flatMap(({ tensors }) => tensors);
  return sharedReading(model, new Map(placed.map(({ index, weight }) => [index, weight])));
}

/** What these weights share. */
export function sharedReading(model: Model, weights: ReadonlyMap<number, PlanTensor>): SharedReading {
  const all = [...weights].map(([index, weight]): Indexed => ({ index, weight }));
  const sets = [...groupsOf(all, rowsKey).values()].flatMap((group) => setsOf(model, group));
  const held = groupsOf(all, (weight) => heldSource(model, weight));
  const several = ([, group]: readonly [string, readonly Indexed[]]): boolean => group.length > 1;
  return {
    sets: sets.filter((set) => set.length > 1).map(indicesOf),
    held: new Map([...held].filter(several).map(([name, group]) => [name, indicesOf(group)])),
  };
}

/** Groups by a key; weights without a key belong to no group. */
function groupsOf(
  all: readonly Indexed[],
  keyOf: (weight: PlanTensor) => string | undefined,
): ReadonlyMap<string, readonly Indexed[]> {
  const groups = new Map<string, Indexed[]>();
  for (const each of all) {
    const key = keyOf(each.weight);
    if (key !== undefined) addToGroup(groups, key, each);
  }
  return groups;
}

const indicesOf = (group: readonly Indexed[]): number[] => group.map(({ index }) => index);

/** The same for weights whose bands of rows come from the same stored rows. */
function rowsKey(weight: PlanTensor): string | undefined {
  const { linear, way, shape, inputs } = weight;
  if (linear !== undefined) return undefined;
  if (way.kind !== "floats" && !(isCopied(weight) && hasWholeBlocks(weight.to, weight))) return undefined;
  return JSON.stringify([shape, inputs]);
}

/** Copies share their reading with weights that are encoded where the stored rows say all about the values. */
function setsOf(model: Model, group: readonly Indexed[]): (readonly Indexed[])[] {
  const copies = group.filter(({ weight }) => isCopied(weight));
  const encoded = group.filter(({ weight }) => !isCopied(weight));
  const [first] = encoded;
  const isOne = copies.length === 0 || first === undefined || areStoredRows(model, first.weight);
  return isOne ? [group] : [copies, encoded];
}

/** Whether decoding the stored rows gives the values. */
function areStoredRows(model: Model, weight: PlanTensor): boolean {
  const sources = plannedSources(weight).map((name) => model.tensor(name));
  return (
    isRowSelection(weight) &&
    sources.every(
      ({ linear, scaledBy, encoding, shape }) =>
        linear === undefined &&
        scaledBy === undefined &&
        encoding === sources[0]?.encoding &&
        rowLength(shape) === rowLength(weight.shape) &&
        hasWholeBlocks(encoding, weight),
    )
  );
}

function hasWholeBlocks(encoding: string, { shape, name }: PlanTensor): boolean {
  return rowLength(shape) % blockOf(encoding, { tensor: name }).blockSize === 0;
}

/** The only stored weight that a weight is made of, where it is packed: its parts are read whole. */
function heldSource(model: Model, weight: PlanTensor): string | undefined {
  const [source, ...others] = plannedSources(weight);
  if (source === undefined || others.length > 0 || weight.way.kind === "parts") return undefined;
  return model.tensor(source).linear === undefined ? undefined : source;
}

/** Puts together what the formats found among the tensors of a model: one format for each module. */
import { type ErrorPlace, FormatError } from "@requant/core";
import type { ClaimedConfig, FoundWeight, StoredPart, WeightFormat } from "@requant/core/format";
import { addToGroup } from "./add-to-group.ts";
import type { ModelTensor } from "./model.ts";

/** A module whose weight is stored as several tensors. */
export interface FoundModule {
  readonly name: string;
  readonly format: WeightFormat;
  /** In the order of the tensors. */
  readonly parts: readonly StoredPart[];
  /** The first of its parts, and where it stands in the list of tensors. */
  readonly first: ModelTensor;
  readonly index: number;
  /** Parts that other formats know and this one does not. */
  readonly strays: readonly StoredPart[];
}

/** What one format found. */
interface Candidate extends FoundWeight {
  readonly format: WeightFormat;
}

/** The modules of all formats, in the order of their first tensors. Of several formats the first in the list has a module. */
export function foundModules(
  stored: readonly ModelTensor[],
  formats: readonly WeightFormat[],
  claimed: ClaimedConfig | undefined,
): FoundModule[] {
  const candidates = new Map<string, Candidate[]>();
  for (const format of formats) {
    for (const found of format.find(stored, claimed)) {
      addToGroup(candidates, found.module, { ...found, format });
    }
  }
  const positions = new Map(candidates.size === 0 ? [] : stored.map(({ name }, index) => [name, index]));
  const modules = [...candidates].flatMap(([name, found]): FoundModule[] => {
    const owner = found.find(({ isWeight }) => isWeight);
    if (owner === undefined) return [];
    const { format, parts } = owner;
    const index = positions.get(parts[0]?.name ?? "");
    const first = index === undefined ? undefined : stored[index];
    if (index === undefined || first === undefined) return [];
    return [{ name, format, parts, first, index, strays: straysOf(found, parts) }];
  });
  return modules.sort((a, b) => a.index - b.index);
}

function straysOf(found: readonly Candidate[], parts: readonly StoredPart[]): StoredPart[] {
  const seen = new Set(parts.map(({ name }) => name));
  const strays: StoredPart[] = [];
  for (const part of found.flatMap((one) => one.parts)) {
    if (seen.has(part.name)) continue;
    seen.add(part.name);
    strays.push(part);
  }
  return strays;
}

/** Which module has a tensor, as far as modules were seen. */
export type Owners = Map<string, string>;

/**
 * Refuses a module that is stored twice or in two ways, and remembers whose its parts are.
 * @throws FormatError naming the parts
 */
export function claimParts(
  { name, parts, strays }: FoundModule,
  names: ReadonlySet<string>,
  owners: Owners,
  place: ErrorPlace,
): void {
  const weight = `${name}.weight`;
  if (names.has(weight) && !parts.some((part) => part.name === weight)) {
    throw new FormatError(
      `The module has both a float weight and packed parts (${parts.map(({ suffix }) => suffix).join(", ")}).`,
      place,
    );
  }
  if (strays.length > 0) {
    const all = [...parts, ...strays].map(({ suffix }) => suffix);
    throw new FormatError(`The module has parts of several formats: ${all.join(", ")}.`, place);
  }
  for (const part of parts) {
    const owner = owners.get(part.name);
    if (owner !== undefined) {
      throw new FormatError(`The tensor ${part.name} is a part of two weights: ${owner} and ${name}.`, place);
    }
    owners.set(part.name, name);
  }
}

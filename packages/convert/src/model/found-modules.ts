/** Puts together what the formats found among the tensors of a model: one format for each module. */
import { type ErrorPlace, FormatError } from "@requant/core";
import type { ClaimedConfig, FoundWeight, StoredPart, WeightFormat } from "@requant/core/format";
import { addToGroup } from "./add-to-group.ts";
import type { ModelTensor } from "./model.ts";

/** A module whose weight is stored as several tensors. */
export interface FoundModule {
  readonly name: string;
  /** The name of the weight. */
  readonly weight: string;
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
interface Candidate {
  readonly format: WeightFormat;
  readonly found: FoundWeight;
}

/** The modules of all formats, in the order of their first tensors. Of several formats the first in the list has a module. */
export function foundModules(
  stored: readonly ModelTensor[],
  formats: readonly WeightFormat[],
  claimed: ClaimedConfig | undefined,
): FoundModule[] {
  const candidates = new Map<string, Candidate[]>();
  for (const format of formats) {
    for (const found of format.find(stored, claimed)) addToGroup(candidates, found.module, { format, found });
  }
  // two modules may claim one tensor, which `claimParts` refuses
  const byFirstPart = new Map<string, (readonly [owner: Candidate, all: readonly Candidate[]])[]>();
  for (const all of candidates.values()) {
    const owner = all.find(({ found }) => found.isWeight);
    const [first] = owner?.found.parts ?? [];
    if (owner !== undefined && first !== undefined) addToGroup(byFirstPart, first.name, [owner, all]);
  }
  const modules: FoundModule[] = [];
  for (const [index, first] of stored.entries()) {
    for (const [{ format, found }, all] of byFirstPart.get(first.name) ?? []) {
      const { module: name, parts, weight = `${name}.weight` } = found;
      modules.push({ name, weight, format, parts, first, index, strays: straysOf(all, parts) });
    }
  }
  return modules;
}

/** Parts that are not among those of the owner, each once. */
function straysOf(all: readonly Candidate[], parts: readonly StoredPart[]): readonly StoredPart[] {
  // most modules have parts of one format only
  if (all.every(({ found }) => found.parts === parts)) return [];
  const seen = new Set(parts.map(({ name }) => name));
  const strays: StoredPart[] = [];
  for (const part of all.flatMap(({ found }) => found.parts)) {
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
  { name, weight, parts, strays }: FoundModule,
  names: ReadonlySet<string>,
  owners: Owners,
  place: ErrorPlace,
): void {
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

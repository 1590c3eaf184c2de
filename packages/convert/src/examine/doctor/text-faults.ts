/** Faults of a vocabulary that only a look at all of its texts can find. */
import type { MetadataArray } from "@requant/core";
import { storedElements } from "@requant/gguf";
import { FEW } from "./few.ts";
import { StoredTexts, TextTable } from "./stored-texts.ts";

export type Texts = MetadataArray & { readonly elementType: "string" };

export interface TextFaults {
  /** Pairs of tokens with the same text: "3 and 9". */
  readonly twice: readonly string[];
  /** The number of merges that name tokens which do not exist. */
  readonly unknownCount: number;
  /** The first such merges. */
  readonly firstUnknown: readonly string[];
}

interface Known {
  readonly merges: Texts | undefined;
  readonly faults: TextFaults;
}

/** Of vocabularies that are asked about more than once: as the source has it, and as the plan made from it. */
const known = /* @__PURE__ */ new WeakMap<Texts, Known>();

export function textFaults(tokens: Texts, merges: Texts | undefined): TextFaults {
  const before = known.get(tokens);
  if (before !== undefined && before.merges === merges) return before.faults;
  const faults = faultsOfStored(tokens, merges) ?? faultsOfStrings(tokens.value, merges?.value ?? []);
  known.set(tokens, { merges, faults });
  return faults;
}

/** A text of the array, without making strings of the others. */
export function textAt(texts: Texts): (index: number) => string {
  let stored: StoredTexts | undefined;
  return (index) => {
    stored ??= storedTexts(texts);
    return stored?.text(index) ?? texts.value[index] ?? "";
  };
}

function storedTexts(texts: Texts): StoredTexts | undefined {
  const stored = storedElements(texts);
  return stored === undefined ? undefined : new StoredTexts(stored, texts.length);
}

/** Undefined where only the strings can tell. */
function faultsOfStored(tokens: Texts, merges: Texts | undefined): TextFaults | undefined {
  const storedTokens = storedTexts(tokens);
  const table = storedTokens === undefined ? undefined : TextTable.of(storedTokens);
  if (table === undefined) return undefined;
  if (merges === undefined) return { twice: [], unknownCount: 0, firstUnknown: [] };
  const storedMerges = storedTexts(merges);
  const unknown = storedMerges === undefined ? undefined : table.unknownMerges(storedMerges);
  if (storedMerges === undefined || unknown === undefined) return undefined;
  return {
    twice: [],
    unknownCount: unknown.length,
    firstUnknown: unknown.slice(0, FEW).map((index) => storedMerges.text(index)),
  };
}

function faultsOfStrings(tokens: readonly string[], merges: readonly string[]): TextFaults {
  const distinct = new Set(tokens);
  const unknown = merges.filter((merge) => {
    // a part may begin with a space of its own
    const cut = merge.indexOf(" ", 1);
    if (cut < 0) return true;
    const [left, right] = [merge.slice(0, cut), merge.slice(cut + 1)];
    return !(distinct.has(left) && distinct.has(right) && distinct.has(left + right));
  });
  return {
    twice: distinct.size === tokens.length ? [] : pairsOf(tokens),
    unknownCount: unknown.length,
    firstUnknown: unknown.slice(0, FEW),
  };
}

function pairsOf(tokens: readonly string[]): string[] {
  const first = new Map<string, number>();
  const twice: string[] = [];
  for (const [id, token] of tokens.entries()) {
    const before = first.get(token);
    if (before === undefined) first.set(token, id);
    // a row that no text has: readers give each its own name
    else if (token !== "") twice.push(`${before} and ${id}`);
  }
  return twice;
}

/** The names of a list that a text may stand for. */
import { nearest } from "@requant/core/text";

const MOST = 5;
/** A shorter text is part of too many names. */
const SHORTEST = 3;

/** Up to five of the names: those that are spelt like the text, then those that hold it. Empty where none is near. */
export function nearNames(text: string, names: readonly string[]): string[] {
  const wanted = text.toLowerCase();
  const holding = wanted.length < SHORTEST ? [] : names.filter((name) => name.toLowerCase().includes(wanted));
  return [...new Set([...nearest(text, names, MOST), ...holding.slice(0, MOST)])].slice(0, MOST);
}

/** Options of the libraries, as the command line spells them. */
const flags: ReadonlyMap<string, string> = new Map([
  ["allowNonFinite", "--allow-non-finite"],
  ["dtype", "--dtype"],
  ["tensorTypes", "--tensor"],
]);

/** A hint that names options of a library, for people at a terminal. */
export function withFlags(hint: string): string {
  return hint.replace(/the option (\w+)/g, (words, name: string) => flags.get(name) ?? words);
}

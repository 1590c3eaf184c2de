import { strings } from "../strings.ts";

/** Libraries name their options in backticks: the text with the names that this page has for them. Other words stay. */
export function withOptionNames(text: string): string {
  const names = strings.optionNames;
  return text.replace(/`([A-Za-z]{1,40})`/g, (quoted, name: string) =>
    Object.hasOwn(names, name) ? (names[name] ?? quoted) : quoted,
  );
}

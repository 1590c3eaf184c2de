import type { TargetDescription } from "@requant/convert";

/** The target with these words, by setting; the words that were chosen last win where some stand alone. */
export function composeTarget(
  { name, words: specs }: TargetDescription,
  words: Readonly<Record<string, string>>,
  chosen: string,
): string {
  const isAlone = (key: string): boolean => specs.find((spec) => spec.key === key)?.alone === true;
  const word = words[chosen] ?? "";
  if (isAlone(chosen) && word !== "") return `${name}:${word}`;
  const rest = specs.flatMap(({ key, preset }) => (isAlone(key) ? [] : [words[key] ?? preset ?? ""]));
  return `${name}:${rest.filter((one) => one !== "").join("-")}`;
}

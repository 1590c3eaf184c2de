import { UsageError } from "@requant/core";

/**
 * A token or key from the environment; undefined where there is none.
 * @throws UsageError that names the variable and not its value, where it could not be sent
 */
export function secretFrom(environment: NodeJS.ProcessEnv, name: string): string | undefined {
  return checkedSecret(environment[name] ?? "", name);
}

/**
 * A token or key, without the line end that a file of it often has; undefined where there is none.
 * @throws UsageError that names the place and not its value, where it could not be sent: the error of whoever tries
 * would quote it
 */
export function checkedSecret(text: string, place: string): string | undefined {
  const value = text.trim();
  if (value === "") return undefined;
  if (/^[\x21-\x7e]+$/.test(value)) return value;
  throw new UsageError(`${place} has characters that no token or key has.`, {
    hint: "Copy it again, without blanks, line ends or quotation marks.",
  });
}

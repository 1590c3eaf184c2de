import { type ErrorPlace, FormatError } from "../errors.ts";
import { misfitOf, type SchemaIssue } from "../misfit.ts";

/** What `parseConfig` needs of a zod schema. */
export interface ConfigSchema<Config> {
  /** Checks a parsed JSON value and returns it typed, or what is wrong with it. Never throws. */
  safeParse(
    json: unknown,
  ):
    | { readonly success: true; readonly data: Config }
    | { readonly success: false; readonly error: { readonly issues: readonly SchemaIssue[] } };
}

/**
 * A quantization configuration by a format's schema. `what` names it with its article: "an AWQ configuration".
 * @throws FormatError that names the wrong fields
 */
export function parseConfig<Config>(
  schema: ConfigSchema<Config>,
  json: unknown,
  what: string,
  place: ErrorPlace = {},
): Config {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new FormatError(`This is not ${what}: ${misfitOf(parsed.error.issues, json)}.`, place);
}

/** What a schema complains about: the parts of a zod issue that are the same in all its editions. */
export interface SchemaIssue {
  readonly path: readonly PropertyKey[];
  readonly code?: string | undefined;
  /** The expected type, for issues of code "invalid_type". */
  readonly expected?: unknown;
}

/** Longest value that is quoted, in characters. */
const LONGEST = 40;

/**
 * What is wrong with a JSON value, in one line: each place, what is there, and what fits. zod's small builds contain no
 * messages of their own.
 */
export function misfitOf(issues: readonly SchemaIssue[], json: unknown): string {
  return issues
    .map(({ path, code, expected }) => {
      const found = shown(valueAt(json, path));
      const fitting = code === "invalid_type" ? `, not ${String(expected)}` : ", which does not fit";
      return `${path.length === 0 ? "it" : path.map(String).join(".")} is ${found}${fitting}`;
    })
    .join("; ");
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  let value = json;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function shown(value: unknown): string {
  if (value === undefined) return "missing";
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/** The YAML block that a model card begins with, as far as single keys are concerned: values stay as they were written. */

/** A text in two: its front matter by keys, and what follows. */
export interface FrontMatter {
  /** The lines of each key at the top level, as they stand there, in order. */
  readonly entries: ReadonlyMap<string, string>;
  readonly body: string;
}

const FENCE = "---";
const KEY = /^([A-Za-z_][\w-]*):/;

/** A text without front matter is all body. */
export function parseFrontMatter(text: string): FrontMatter {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const end = endOf(lines);
  const entries = new Map<string, string>();
  if (end < 0) return { entries, body: text };
  let last: string | undefined;
  for (const line of lines.slice(1, end)) {
    const key = KEY.exec(line)?.[1];
    last = key ?? last;
    if (last === undefined) continue;
    const before = key === undefined ? entries.get(last) : undefined;
    entries.set(last, before === undefined ? line : `${before}\n${line}`);
  }
  return { entries, body: lines.slice(end + 1).join("\n") };
}

/**
 * Adds keys that the front matter does not have. Everything else stays as it is, byte for byte.
 * @param added whole entries, such as `license: mit`, by key
 */
export function withFrontMatter(text: string, added: ReadonlyMap<string, string>): string {
  const { entries } = parseFrontMatter(text);
  const missing = [...added].filter(([key]) => !entries.has(key)).map(([, entry]) => entry);
  if (missing.length === 0) return text;
  const lines = text.split("\n");
  const end = endOf(lines);
  if (end < 0) return [FENCE, ...missing, FENCE, "", text].join("\n");
  return [...lines.slice(0, end), ...missing, ...lines.slice(end)].join("\n");
}

/** The index of the line that ends the front matter; -1 where there is none. */
function endOf(lines: readonly string[]): number {
  const isFence = (line: string | undefined): boolean => line?.trimEnd() === FENCE;
  return isFence(lines[0]) ? lines.findIndex((line, at) => at > 0 && isFence(line)) : -1;
}

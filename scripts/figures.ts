/** Finds the figures of a page: numbers with a unit, shares, factors, bounds, counts of things. Those in code do not count. */

const number = String.raw`\d[\d,]*(?:\.\d+)?`;
const units =
  "kB MB GB TB KiB MiB GiB ns µs ms s h min seconds? minutes? hours? days? bytes? tokens? families models? files? tensors? " +
  "languages? times operations cores? threads? workers? texts? lines? pixels? parts jobs million billion thousand";
const unit = `(?:%|×|±|(?:${units.split(" ").join("|")})\\b)`;
const figure = new RegExp(
  String.raw`(?<![\w.-])(?:\d[\d.]*e-\d+|${number}(?:-fold\b| \w+ (?:models|families)\b| ?${unit}))`,
  "g",
);

export interface Figure {
  readonly line: number;
  /** As it is written: "240 MB". */
  readonly text: string;
}

/** The figures of a page, without those in code and in addresses. */
export function figuresOf(page: string): Figure[] {
  let inCode = false;
  return page.split("\n").flatMap((line, index) => {
    if (line.startsWith("```")) inCode = !inCode;
    if (inCode) return [];
    const prose = line.replace(/`[^`]*`/g, "`…`").replace(/\]\([^)]*\)/g, "]");
    return [...prose.matchAll(figure)].map(([text]) => ({ line: index + 1, text }));
  });
}

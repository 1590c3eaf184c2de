/** The tables of docs/security.md: the outcome of each program for every file of the hostile set. */
import type { AbuseCase } from "../fixtures/abuse-cases.ts";

/** Requant's outcome for a file, at the stage that the case names. */
export interface OwnOutcome {
  readonly outcome: string;
  /** The code of the error document. */
  readonly code: string | undefined;
}

const families: readonly (readonly [title: string, category: RegExp])[] = [
  ["GGUF", /^gguf-/],
  ["safetensors", /^st-/],
  ["GPTQ, AWQ and EXL2 directories", /^(gptq|awq|exl2)-/],
  ["Pickles, configs and tokenizers", /^(pickle|model)-/],
];

const MARKS = ["<!-- generated: scripts/security-table.mjs -->", "<!-- end of generated -->"] as const;

/** The page with new tables between its marks. */
export function withTables(page: string, tables: string): string {
  const [start, end] = MARKS.map((mark) => page.indexOf(mark));
  if (start === undefined || end === undefined || start < 0 || end < start)
    throw new Error("the page has no marks");
  return `${page.slice(0, start + MARKS[0].length)}\n\n${tables}${page.slice(end)}`;
}

export function securityTables(cases: readonly AbuseCase[], ours: ReadonlyMap<string, OwnOutcome>): string {
  const stray = cases.filter(({ category }) => !families.some(([, pattern]) => pattern.test(category)));
  if (stray.length > 0) throw new Error(`no table for ${stray.map(({ id }) => id).join(", ")}`);
  return families
    .flatMap(([title, pattern]) => {
      const family = cases.filter(({ category }) => pattern.test(category));
      const peers = peersOf(family);
      return [
        `### ${title}: ${family.length} files`,
        "",
        ...summary(family, peers, ours),
        "",
        "<details><summary>File by file</summary>",
        "",
        `| case | what is wrong | expected | Requant | ${peers.join(" | ")} |`,
        `| --- | --- | --- | --- | ${peers.map(() => "---").join(" | ")} |`,
        ...family.map((abuse) => securityRow(abuse, ours.get(abuse.id), peers)),
        "",
        "</details>",
        "",
      ];
    })
    .join("\n");
}

function peersOf(family: readonly AbuseCase[]): string[] {
  return [...new Set(family.flatMap(({ peers }) => Object.keys(peers)))];
}

/** One line of a table file by file; the columns are those of the case's own peers where none are given. */
export function securityRow(abuse: AbuseCase, own: OwnOutcome | undefined, peers: readonly string[]): string {
  const reference = abuse.reference === "own" ? "" : ` (${abuse.reference})`;
  const code = own?.code === undefined ? "" : ` ${own.code}`;
  return `| ${[
    abuse.id,
    cell(abuse.wrong + reference),
    abuse.expect,
    `**${own?.outcome ?? "not run"}**${code}`,
    ...peers.map((peer) => abuse.peers[peer]?.outcome ?? ""),
  ].join(" | ")} |`;
}

/** Text of a case, escaped for a table: the cases mention markup, which must not become markup. */
function cell(text: string): string {
  return text
    .replaceAll("\\", "\\\\")
    .replaceAll("|", "\\|")
    .replaceAll("<", "&lt;")
    .replace(/[\r\n]+/g, " ");
}

type Count = "right" | "tolerated" | "accepted" | "refused" | "died" | "none";

/** A program without warnings passes a case that requires a warning when it accepts the file. */
function judged({ expect, tolerated }: AbuseCase, outcome: string | undefined): Count {
  if (outcome === undefined) return "none";
  if (!["accept", "accept-with-warning", "refuse"].includes(outcome)) return "died";
  if (outcome === expect || (outcome === "accept" && expect === "accept-with-warning")) return "right";
  if (tolerated.includes(outcome) || (outcome === "accept" && tolerated.includes("accept-with-warning")))
    return "tolerated";
  return outcome === "refuse" ? "refused" : "accepted";
}

function summary(
  family: readonly AbuseCase[],
  peers: readonly string[],
  ours: ReadonlyMap<string, OwnOutcome>,
): string[] {
  const line = (name: string, outcomeOf: (abuse: AbuseCase) => string | undefined): string => {
    const counts: Record<Count, number> = {
      right: 0,
      tolerated: 0,
      accepted: 0,
      refused: 0,
      died: 0,
      none: 0,
    };
    for (const abuse of family) counts[judged(abuse, outcomeOf(abuse))] += 1;
    const { right, tolerated, accepted, refused, died, none } = counts;
    return `| ${[name, right, tolerated, accepted, refused, died, none].join(" | ")} |`;
  };
  return [
    "| program | as expected | tolerated | accepted wrongly | refused wrongly | crash or hang | not run |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    line("**Requant**", ({ id }) => ours.get(id)?.outcome),
    ...peers.map((peer) => line(peer, ({ peers: theirs }) => theirs[peer]?.outcome)),
  ];
}

/** The line of a case on the page; undefined when it has none. */
export function rowOnPage(page: string, id: string): string | undefined {
  return page.split("\n").find((line) => line.startsWith(`| ${id} | `));
}

/** The first three columns after the name, and Requant's: the cells that can be compared for a part of the set. */
export function ownCells(row: string): string[] {
  return row
    .split(/(?<!\\)\|/)
    .slice(1, 5)
    .map((text) => text.trim());
}

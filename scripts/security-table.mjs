// Writes the tables of docs/security.md: what each program did with every file of the hostile set. Needs REQUANT_GOLDEN and a build.
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { abuseSet, readCases } from "../fixtures/abuse-cases.ts";
import { judge, observe } from "../packages/cli/test/abuse/judge.ts";

const MARKS = ["<!-- generated: scripts/security-table.mjs -->", "<!-- end of generated -->"];
const page = resolve(import.meta.dirname, "../docs/security.md");
const golden = process.env.REQUANT_GOLDEN;
if (golden === undefined) throw new Error("REQUANT_GOLDEN is not set: the table needs the whole set");
const set = abuseSet();
if (set !== join(golden, "abuse")) throw new Error("the set is not in REQUANT_GOLDEN");

const families = [
  ["GGUF", /^gguf-/],
  ["safetensors", /^st-/],
  ["GPTQ, AWQ and EXL2 directories", /^(gptq|awq|exl2)-/],
  ["Pickles, configs and tokenizers", /^(pickle|model)-/],
];

const cases = readCases(set);
const ours = new Map();
for (const abuse of cases) {
  const observed = await observe(set, abuse, abuse.stage, true);
  ours.set(abuse.id, { ...observed, wrong: judge(abuse, observed) });
}

/** As expected, as tolerated, or not; a program that prints a warning has accepted. */
function verdict({ expect, tolerated }, outcome) {
  if (outcome === expect || (outcome === "accept" && expect === "accept-with-warning")) return "right";
  if (tolerated.includes(outcome) || (outcome === "accept" && tolerated.includes("accept-with-warning")))
    return "tolerated";
  return "wrong";
}

const cell = (text) => text.replaceAll("|", "\\|").replace(/[\r\n]+/g, " ");

function summary(family) {
  const peers = [...new Set(family.flatMap(({ peers }) => Object.keys(peers)))];
  const rows = [["**Requant**", (abuse) => ours.get(abuse.id).outcome]].concat(
    peers.map((peer) => [peer, (abuse) => abuse.peers[peer]?.outcome]),
  );
  const lines = rows.map(([name, outcomeOf]) => {
    const counts = { right: 0, tolerated: 0, accepted: 0, refused: 0, died: 0, none: 0 };
    for (const abuse of family) {
      const outcome = outcomeOf(abuse);
      if (outcome === undefined) counts.none += 1;
      else if (!["accept", "accept-with-warning", "refuse"].includes(outcome)) counts.died += 1;
      else {
        const found = verdict(abuse, outcome);
        if (found !== "wrong") counts[found] += 1;
        else counts[outcome === "refuse" ? "refused" : "accepted"] += 1;
      }
    }
    return `| ${name} | ${counts.right} | ${counts.tolerated} | ${counts.accepted} | ${counts.refused} | ${counts.died} | ${counts.none} |`;
  });
  return [
    "| program | as expected | tolerated | accepted wrongly | refused wrongly | crash or hang | not run |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ...lines,
  ];
}

function table(family) {
  const peers = [...new Set(family.flatMap(({ peers }) => Object.keys(peers)))];
  return [
    `| case | what is wrong | expected | Requant | ${peers.join(" | ")} |`,
    `| --- | --- | --- | --- | ${peers.map(() => "---").join(" | ")} |`,
    ...family.map((abuse) => {
      const { outcome, code } = ours.get(abuse.id);
      const reference = abuse.reference === "own" ? "" : ` (${abuse.reference})`;
      return `| ${[
        abuse.id,
        cell(abuse.wrong + reference),
        abuse.expect,
        `**${outcome}**${code === undefined ? "" : ` ${code}`}`,
        ...peers.map((peer) => abuse.peers[peer]?.outcome ?? ""),
      ].join(" | ")} |`;
    }),
  ];
}

const parts = families.flatMap(([title, pattern]) => {
  const family = cases.filter(({ category }) => pattern.test(category));
  return [
    `### ${title}: ${family.length} files`,
    "",
    ...summary(family),
    "",
    "<details><summary>File by file</summary>",
    "",
    ...table(family),
    "",
    "</details>",
    "",
  ];
});
const text = readFileSync(page, "utf8");
const [start, end] = MARKS.map((mark) => text.indexOf(mark));
if (start < 0 || end < start) throw new Error(`${page} has no marks`);
writeFileSync(page, `${text.slice(0, start + MARKS[0].length)}\n\n${parts.join("\n")}${text.slice(end)}`);

const wrong = [...ours].filter(([, { wrong }]) => wrong.length > 0);
for (const [id, { wrong: why }] of wrong) console.error(`${id}: ${why.join("; ")}`);
console.log(`${cases.length - wrong.length} of ${cases.length} as the manifest asks`);
process.exitCode = wrong.length > 0 ? 1 : 0;

// Writes the tables of docs/security.md. Needs REQUANT_GOLDEN and a build.
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { abuseSet, readCases } from "../fixtures/abuse-cases.ts";
import { judge, observe } from "../packages/cli/test/abuse/judge.ts";
import { securityTables, withTables } from "./security-page.ts";

const page = resolve(import.meta.dirname, "../docs/security.md");
const golden = process.env.REQUANT_GOLDEN;
if (golden === undefined) throw new Error("REQUANT_GOLDEN is not set: the tables need the whole set");
const set = abuseSet();
if (set !== join(golden, "abuse")) throw new Error("the set is not in REQUANT_GOLDEN");

const cases = readCases(set);
const ours = new Map();
let wrong = 0;
let seconds = 0;
let megabytes = 0;
for (const abuse of cases) {
  const observed = await observe(set, abuse, abuse.stage, true);
  ours.set(abuse.id, observed);
  seconds = Math.max(seconds, observed.result.usage?.cpuSeconds ?? Number.NaN);
  megabytes = Math.max(megabytes, observed.result.usage?.rssMegabytes ?? Number.NaN);
  const why = judge(abuse, observed);
  if (why.length === 0) continue;
  wrong += 1;
  console.error(`${abuse.id}: ${why.join("; ")}`);
}
writeFileSync(page, withTables(readFileSync(page, "utf8"), securityTables(cases, ours)));
console.log(
  `${cases.length - wrong} of ${cases.length} as the manifest asks; at most ${seconds.toFixed(2)} s of processor time and ${megabytes.toFixed(0)} MB`,
);
process.exitCode = wrong > 0 ? 1 : 0;

/**
 * Hostile and broken files through the built command, each in a process of its own: outcome, exit status, error document,
 * memory, processor time, and nothing left behind. The outcomes are the manifest's; docs/security.md has the peers' beside them.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  type AbuseCase,
  abuseSet,
  inRepository,
  isHuge,
  readCases,
} from "../../../../fixtures/abuse-cases.ts";
import {
  type OwnOutcome,
  ownCells,
  rowOnPage,
  securityRow,
  securityTables,
  withTables,
} from "../../../../scripts/security-page.ts";
import { isBuilt } from "./child.ts";
import { type CommandName, commands, judge, type Observation, observe } from "./judge.ts";

const set = abuseSet();
const cases = readCases(set);
const filesBefore = treeOf();
const page = readFileSync(new URL("../../../../docs/security.md", import.meta.url), "utf8");
/** At the stage that each case names, as docs/security.md tells it. */
const outcomes = new Map<string, OwnOutcome>();

function treeOf(): string[] {
  return readdirSync(set, { recursive: true, encoding: "utf8" }).sort();
}

/** Checks of single cases, as their manifest entries ask in words. */
const particulars: Readonly<Record<string, (observed: Observation) => void>> = {
  "magic-lfs-pointer": ({ message }) => expect(message).toMatch(/LFS/),
  "magic-ggjt-v3": ({ message }) => expect(message).toMatch(/before GGUF|GGJT/),
  "magic-html": ({ message }) => expect(message).toMatch(/web page/),
  "pickle-bin": ({ result }) => expect(result.err).toMatch(/safetensors/),
  "pickle-as-gguf": ({ result }) => expect(result.err).toMatch(/safetensors/),
  "key-proto": ({ result }) => expect(result.out).toMatch(/__proto__\.polluted/),
  "name-proto": ({ result }) => expect(result.out).toMatch(/^__proto__ /m),
  "st-name-proto": ({ result }) => expect(result.out).toMatch(/^__proto__ /m),
  "value-ansi": ({ result }) => expect(result.out).toMatch(/\\u\{1b\}/),
  "template-exploit": ({ result }) => expect(result.out).toMatch(/tokenizer\.chat_template/),
  "valid-every-type": ({ result }) => {
    expect(result.out).toMatch(/18446744073709551615/);
    expect(result.out).toMatch(/-9223372036854775808/);
  },
};

async function check(abuse: AbuseCase, command: CommandName, json: boolean): Promise<void> {
  const observed = await observe(set, abuse, command, json);
  const label = `${command}${json ? " --json" : ""}: ${observed.code ?? observed.outcome} ${observed.message ?? ""}`;
  expect(judge(abuse, observed), label).toEqual([]);
  if (command === abuse.stage && json) outcomes.set(abuse.id, observed);
  if (command === "inspect" && !json) particulars[abuse.id]?.(observed);
}

describe.skipIf(!isBuilt)("hostile files (skipped: the command is not built)", () => {
  it("there are cases, and the command answers", () => {
    expect(cases.length).toBeGreaterThan(90);
  });

  it.each(cases)("$id: $wrong ($reference)", async (abuse) => {
    const chosen = isHuge(abuse) && abuse.expect === "accept" ? (["inspect"] as const) : commands;
    await Promise.all([
      check(abuse, "inspect", false),
      ...chosen.map((command) => check(abuse, command, true)),
    ]);
  });

  it("docs/security.md says what happened (pnpm security-table writes it)", () => {
    expect(outcomes.size).toBe(cases.length);
    for (const abuse of cases) {
      const row = rowOnPage(page, abuse.id);
      expect(row, `${abuse.id} is not on the page`).toBeDefined();
      expect(ownCells(row ?? "")).toEqual(ownCells(securityRow(abuse, outcomes.get(abuse.id), [])));
    }
    // the part of the set that is in the repository has no tables of its own
    if (set === inRepository) return;
    expect(page).toBe(withTables(page, securityTables(cases, outcomes)));
  });

  it("nothing was made or removed beside the files", () => {
    expect(treeOf()).toEqual(filesBefore);
  });
});

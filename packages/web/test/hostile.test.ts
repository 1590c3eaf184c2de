/** The hostile set: what the page refuses, it refuses in words, and it stays alive. */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { abuseSet, isHuge, modelPath, readCases } from "../../../fixtures/abuse-cases.ts";
import { BuiltPage, whyNoPage } from "./page.ts";

const set = abuseSet();
// headers decide these; a page cannot be given a file of terabytes
const cases = readCases(set).filter(
  (one) => one.stage === "inspect" && one.expect === "refuse" && !isHuge(one),
);

describe.skipIf(whyNoPage !== undefined)(`the hostile set (skipped: ${whyNoPage ?? ""})`, () => {
  let built: BuiltPage;
  let scratch: string;
  beforeAll(async () => {
    built = await BuiltPage.start();
    scratch = mkdtempSync(join(tmpdir(), "web-hostile-"));
  });
  afterAll(async () => {
    await built.close();
    rmSync(scratch, { recursive: true });
  });

  it(`${cases.length} models are refused in words, in one page that goes on`, async () => {
    expect(cases.length).toBeGreaterThan(10);
    const page = await built.open();
    const silent: string[] = [];
    for (const one of cases) {
      const path = modelPath(set, scratch, one);
      if (!existsSync(path)) continue;
      const isFolder = statSync(path).isDirectory();
      if (isFolder && readdirSync(path).length === 0) continue;
      await page.getByLabel(isFolder ? "Open a folder" : "Open files").setInputFiles(path);
      const findings = page.getByRole("list", { name: "Findings" });
      await findings.waitFor();
      const text = (await findings.textContent()) ?? "";
      if (!text.includes("Error") || /\n\s+at |undefined|\[object/.test(text))
        silent.push(`${one.id}: ${text}`);
      await page
        .getByRole("button", { name: /^Close/ })
        .first()
        .click();
    }
    expect(silent).toEqual([]);
    expect(built.complaints).toEqual([]);
    await page.getByText("Nothing is uploaded").waitFor();
  });
});

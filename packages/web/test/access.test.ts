/** Everyone can use the page: axe-core finds nothing, and the keyboard reaches everything. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BuiltPage, whyNoPage } from "./page.ts";

const kjv = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}

/** What axe-core finds wrong on the page as it is now. */
async function violations(page: Page): Promise<string[]> {
  // evaluated by the debugger: the page's own policy would refuse a foreign script
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate<AxeResult>(
    "axe.run(document, { resultTypes: ['violations'] })",
  );
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

describe.skipIf(whyNoPage !== undefined)(`access (skipped: ${whyNoPage ?? ""})`, () => {
  let built: BuiltPage;
  beforeAll(async () => {
    built = await BuiltPage.start();
  });
  afterAll(() => built.close());

  it.each([
    ["light", 360],
    ["light", 1280],
    ["dark", 1280],
    ["dark", 3840],
  ] as const)("axe-core finds nothing: %s, %d pixels wide", async (colorScheme, width) => {
    const page = await built.open({ colorScheme, viewport: { width, height: 800 } });
    expect(await violations(page)).toEqual([]);
    // two models, so that they can be compared, and a tensor to look at
    for (const _ of ["first", "second"]) await page.getByLabel("Open a folder").setInputFiles(kjv);
    const tabs = page.getByRole("tab");
    await page.getByRole("tab", { name: "Tensors" }).click();
    await page
      .getByRole("gridcell", { name: /q_proj/ })
      .first()
      .click();
    await page.getByRole("region", { name: "Outlier columns" }).waitFor();
    for (const tab of await tabs.all()) {
      await tab.click();
      await page.getByRole("tabpanel").waitFor();
      await page.getByText("Loading this view…").waitFor({ state: "hidden" });
      if ((await tab.textContent()) === "Tensor")
        await page.getByRole("region", { name: "Values" }).waitFor();
      expect([await tab.textContent(), await violations(page)]).toEqual([await tab.textContent(), []]);
      const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
      expect([await tab.textContent(), overflow]).toEqual([await tab.textContent(), 0]);
    }
  });

  it.each([
    ["light", 360],
    ["dark", 1280],
  ] as const)(
    "axe-core finds nothing in a plan and what it made: %s, %d pixels wide",
    async (colorScheme, width) => {
      const page = await built.open({ colorScheme, viewport: { width, height: 800 } });
      await page.getByLabel("Open a folder").setInputFiles(kjv);
      await page.getByRole("tab", { name: "Convert" }).click();
      await page.getByLabel("Target", { exact: true }).fill("gptq:4bit-128g-sym");
      await page.locator("summary").click();
      await page.getByRole("button", { name: "Convert", exact: true }).click();
      await page.getByLabel("SHA-256").waitFor();
      expect(await violations(page)).toEqual([]);
      expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBe(0);
      await page.getByLabel("Exact", { exact: true }).check();
      await page.getByRole("region", { name: "Plan" }).getByRole("list", { name: "Findings" }).waitFor();
      expect(await violations(page)).toEqual([]);
    },
  );

  it("has the accessible names that packages/web/README.md promises", async () => {
    const page = await built.open();
    await page.getByLabel("Open files", { exact: true }).setInputFiles({
      name: "no-model.gguf",
      mimeType: "application/octet-stream",
      buffer: Buffer.from("no model"),
    });
    await page.getByRole("list", { name: "Findings", exact: true }).waitFor();
    await page.getByLabel("Open a folder").setInputFiles(kjv);
    await page.getByRole("tab", { name: "Tensors" }).click();
    await page.getByRole("grid", { name: "Tensors", exact: true }).waitFor();
    await page.getByRole("tab", { name: "Convert" }).click();
    await page.getByLabel("Target", { exact: true }).fill("gguf:q8_0");
    await page.getByRole("grid", { name: "Planned tensors", exact: true }).waitFor();
    await page.getByRole("button", { name: "Convert", exact: true }).click();
    expect(await page.getByLabel("SHA-256", { exact: true }).textContent()).toMatch(/^[0-9a-f]{64}$/);
  });

  it("the keyboard alone opens an address, changes tabs, and walks through tensors", async () => {
    const page = await built.open();
    await page.getByLabel("Open a folder").setInputFiles(kjv);
    await page.getByRole("tab", { name: "Overview" }).focus();
    await page.keyboard.press("ArrowRight");
    const grid = page.getByRole("grid", { name: "Tensors" });
    await grid.waitFor();
    await grid.focus();
    await page.keyboard.press("ArrowDown");
    expect(await grid.locator("[aria-selected=true]").getAttribute("aria-rowindex")).toBe("3");
    await page.keyboard.press("End");
    await expect.poll(() => grid.locator("[aria-selected=true]").getAttribute("aria-rowindex")).toBe("31");
  });
});

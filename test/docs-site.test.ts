/** The built site in Chromium: every kind of page fits its window, the search finds recipes, and axe-core finds nothing. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasChromium, launchChromium } from "../fixtures/chromium.ts";
import { type StaticServer, serveFolder } from "../packages/web/test/static-server.ts";
import { brokenLinksOfRepository, brokenLinksOfSite } from "../scripts/docs-links.ts";

const root = resolve(import.meta.dirname, "..");
const dist = join(root, "docs/.vitepress/dist");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** One page of each kind. */
const kinds = [
  "index.html",
  "getting-started.html",
  "recipes/index.html",
  "recipes/awq-to-gguf.html",
  "recipes/codec-in-browser.html",
  "concepts/groups.html",
  "reference/cli.html",
  "conversions.html",
  "models.html",
  "web.html",
  "formats/gguf.html",
  "adr/0002-the-level-view.html",
];

const whyNot = !hasChromium
  ? "there is no Chromium"
  : existsSync(join(dist, "index.html"))
    ? undefined
    : "the site is not built: pnpm run docs";

describe.skipIf(whyNot !== undefined)(`the site in Chromium (skipped: ${whyNot ?? ""})`, () => {
  let browser: Browser;
  let server: StaticServer;
  const complaints: string[] = [];
  beforeAll(async () => {
    server = await serveFolder(dist);
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  async function open(path: string, width: number, colorScheme: "light" | "dark" = "light"): Promise<Page> {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
    const page = await context.newPage();
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(`${path}: ${message.text()}`);
    });
    page.on("pageerror", (error) => complaints.push(`${path}: ${error.message}`));
    await page.goto(`${server.url}${path}`);
    await page.locator("#app .Layout").waitFor();
    return page;
  }

  it.each([360, 1280])(
    "pages fit a window of %d pixels, and write nothing to the console",
    async (width) => {
      const wide: string[] = [];
      for (const path of kinds) {
        const page = await open(path, width);
        const content = await page.evaluate("document.documentElement.scrollWidth");
        if (content !== width) wide.push(`${path}: ${content}`);
        const broken = await page.evaluate<string[]>(
          "[...document.images].filter((i) => i.complete && i.naturalWidth === 0 && i.offsetParent).map((i) => i.src)",
        );
        expect(broken).toEqual([]);
        await page.context().close();
      }
      expect(wide).toEqual([]);
      expect(complaints).toEqual([]);
    },
    120_000,
  );

  it("the search finds the recipe by its job", async () => {
    const page = await open("index.html", 1280);
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByRole("searchbox").fill("AWQ to GGUF");
    const first = page.locator(".VPLocalSearchBox .result").first();
    await first.waitFor();
    expect(await first.getAttribute("href")).toMatch(/\/recipes\/awq-to-gguf\.html/);
    await first.click();
    await page.getByRole("heading", { level: 1, name: "AWQ to GGUF without loss" }).waitFor();
    await page.context().close();
  });

  it.each([
    ["recipes/awq-to-gguf.html", "light"],
    ["recipes/awq-to-gguf.html", "dark"],
    ["concepts/groups.html", "light"],
    ["concepts/groups.html", "dark"],
    ["reference/cli.html", "light"],
    ["index.html", "light"],
    ["index.html", "dark"],
  ] as const)("axe-core finds nothing: %s, %s", async (path, colorScheme) => {
    const page = await open(path, 1280, colorScheme);
    await page.evaluate(axe);
    const { violations } = await page.evaluate<{
      violations: { id: string; nodes: { html: string }[] }[];
    }>("axe.run(document, { resultTypes: ['violations'] })");
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)).toEqual(
      [],
    );
    await page.context().close();
  });

  it.each(["light", "dark"] as const)(
    "the picture of the %s theme is shown, and the other is not",
    async (theme) => {
      const page = await open("concepts/bits.html", 1280, theme);
      const shown = await page.evaluate<string[]>(
        "[...document.querySelectorAll('.vp-doc img')].filter((i) => i.offsetParent).map((i) => i.className)",
      );
      expect(shown).toEqual([`${theme}-only`]);
      await page.context().close();
    },
  );
});

describe("links", () => {
  it("of the repository's texts lead to files and headings", () => {
    expect(brokenLinksOfRepository(root)).toEqual([]);
  });

  it("that are broken are found, in a site and in texts", () => {
    const folder = mkdtempSync(join(tmpdir(), "requant-links-"));
    try {
      mkdirSync(join(folder, "packages"));
      mkdirSync(join(folder, "docs"));
      writeFileSync(
        join(folder, "README.md"),
        "[a](docs/none.md) [b](docs/a.md#two) [c](docs/a.md#one) `[d](none)`",
      );
      writeFileSync(join(folder, "docs/a.md"), "# One\n");
      expect(brokenLinksOfRepository(folder)).toEqual([
        "README.md: there is no docs/none.md",
        "README.md: docs/a.md#two has no such heading",
      ]);
      writeFileSync(
        join(folder, "index.html"),
        '<h1 id="one"></h1><a href="/v1/#one"></a><a href="/v1/#two"></a><a href="/v1/b.html"></a><a href="/c"></a><a href="/v1/api/"></a>',
      );
      expect(brokenLinksOfSite(folder, "/v1/")).toEqual([
        "index.html: /v1/#two has no such heading",
        "index.html: there is no /v1/b.html",
        "index.html: /c is outside of /v1/",
      ]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

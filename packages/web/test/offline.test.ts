/** After the first load the page needs no server, and no byte of it is more than it says. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BuiltPage, whyNoPage } from "./page.ts";

const kjv = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const dist = resolve(import.meta.dirname, "../dist");

describe.skipIf(whyNoPage !== undefined)(`offline (skipped: ${whyNoPage ?? ""})`, () => {
  let built: BuiltPage;
  beforeAll(async () => {
    built = await BuiltPage.start();
  });
  afterAll(() => built.close());

  it("opens a model when its server is gone", async () => {
    const page = await built.open();
    await page.evaluate("navigator.serviceWorker.ready");
    await built.server.close();
    await page.reload();
    await page.getByLabel("Open a folder").setInputFiles(kjv);
    await page.getByText("LlamaForCausalLM").waitFor();
  });
});

describe.skipIf(whyNoPage !== undefined)(`the built files (skipped: ${whyNoPage ?? ""})`, () => {
  const html = readFileSync(join(dist, "index.html"), "utf8");

  it("the first load is at most 200 kB, gzipped", () => {
    const loaded = [...html.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, path = ""]) => path);
    expect(loaded.length).toBeGreaterThan(2);
    const sizes = ["index.html", ...loaded].map((path) => gzipSync(readFileSync(join(dist, path))).length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(200_000);
  });

  it("nothing is inline, and no address is absolute", () => {
    expect(html).not.toMatch(/<script(?![^>]*src=)|<style|style="|(?:src|href)="(?:\/|https?:)/);
    const names = readdirSync(join(dist, "assets"));
    const scripts = names.filter((name) => name.endsWith(".js"));
    expect(scripts.length).toBeGreaterThan(3);
    for (const name of scripts) {
      const code = readFileSync(join(dist, "assets", name), "utf8");
      expect([name, /\beval\(|new Function\(/.test(code)]).toEqual([name, false]);
    }
  });
});

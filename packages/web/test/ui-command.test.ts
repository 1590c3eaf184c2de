/** The page as `requant ui MODEL` serves it, under its policy and its Host check. */
import { resolve } from "node:path";
import { directoryStore } from "@requant/core/node";
import { describe, expect, it } from "vitest";
import { launchChromium } from "../../../fixtures/chromium.ts";
import { filesBelow } from "../../cli/src/page-files.ts";
import { startPageServer } from "../../cli/src/page-server.ts";
import { dist, whyNoPage } from "./page.ts";

const kjv = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");

describe.skipIf(whyNoPage !== undefined)(`requant ui (skipped: ${whyNoPage ?? ""})`, () => {
  it("opens the models of the command line with the page", async () => {
    const models = [
      { store: directoryStore(kjv), file: undefined },
      { store: directoryStore(kjv, { named: ["model.safetensors"] }), file: "model.safetensors" },
    ];
    const server = await startPageServer({
      page: await filesBelow(dist),
      models,
      host: "127.0.0.1",
      port: 0,
    });
    const browser = await launchChromium();
    try {
      const page = await browser.newPage();
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(error.message));
      await page.goto(server.url);
      await page.getByText("LlamaForCausalLM").waitFor();
      await page.getByRole("navigation").getByText("safetensors, 4.59 MB").first().waitFor();
      expect(await page.getByRole("navigation").getByRole("listitem").count()).toBe(2);
      expect(complaints).toEqual([]);
    } finally {
      await browser.close();
      await server.close();
    }
  });
});

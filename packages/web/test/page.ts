/** The built page in Chromium, for tests. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Browser, Page } from "playwright-core";
import { hasChromium, launchChromium } from "../../../fixtures/chromium.ts";
import { type StaticServer, serveFolder } from "./static-server.ts";

/** The folder of the built page. */
export const dist: string = resolve(import.meta.dirname, "../dist");

/** Why the page cannot be tested here; undefined where it can. */
export const whyNoPage: string | undefined = !hasChromium
  ? "there is no Chromium"
  : existsSync(resolve(dist, "index.html"))
    ? undefined
    : "the page is not built";

/** The page under a sub-path of a server of its own. */
export class BuiltPage {
  readonly browser: Browser;
  readonly server: StaticServer;
  /** What pages wrote to their consoles, and errors that nobody caught. */
  readonly complaints: string[] = [];

  private constructor(browser: Browser, server: StaticServer) {
    this.browser = browser;
    this.server = server;
  }

  static async start(): Promise<BuiltPage> {
    const server = await serveFolder(dist, "/some/path/");
    return new BuiltPage(await launchChromium(), server);
  }

  /** A new page in a profile of its own. */
  async open(options: Parameters<Browser["newContext"]>[0] = {}): Promise<Page> {
    const context = await this.browser.newContext(options);
    const page = await context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(message.text());
    });
    page.on("pageerror", (error) => this.complaints.push(error.message));
    await page.goto(this.server.url);
    return page;
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.server.close();
  }
}

/** The store of a browser's files, in Chromium. The expected values are written down here; the browser's own calls read them back. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  bundled,
  hasChromium,
  launchChromium,
  launchWithProfile,
  needsChromium,
  PAGE_WITH_WORKER,
  SCENARIO_WORKER,
  type SmallServer,
  serveFiles,
} from "../../../fixtures/chromium.ts";
import type { scenarios } from "./browser-scenarios.ts";

type Name = keyof typeof scenarios;

const some = (length: number): number[] => Array.from({ length }, (_, i) => i % 251);
const characters = (value: string): number[] => [...new TextEncoder().encode(value)];

describe.skipIf(!hasChromium)(`browserStore (${needsChromium})`, () => {
  let server: SmallServer;
  let browser: Browser;
  let page: Page;

  async function openPage(opener: { newPage(): Promise<Page> }): Promise<Page> {
    const opened = await opener.newPage();
    await opened.goto(`${server.origin}/`);
    await opened.waitForFunction("globalThis.isReady === true");
    return opened;
  }
  const call = (name: Name, argument = 0, tab: Page = page): Promise<unknown> =>
    tab.evaluate(`call("${name}", ${argument})`);
  const here = (name: Name): Promise<unknown> => page.evaluate(`here("${name}")`);

  beforeAll(async () => {
    const file = join(import.meta.dirname, "browser-scenarios.ts");
    server = await serveFiles({
      "/": PAGE_WITH_WORKER,
      "/worker.js": SCENARIO_WORKER,
      "/scenarios.js": await bundled({ file }),
    });
    browser = await launchChromium();
    page = await openPage(await browser.newContext());
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  test.each([
    ["a worker", call],
    ["a page", here],
  ] as const)("a file that is written in %s has its name when it is whole", async (_place, run) => {
    expect(await run("sink")).toEqual({
      unfinished: { open: undefined, list: [], raw: [".a.requant-part.0"] },
      byteLength: 5,
      raw: ["a"],
      bytes: [0, 1, 2, 0, 1],
      read: [2, 0, 1],
      again: {
        code: "IO",
        message: "The file already exists.",
        hint: "Choose another name, or give `overwrite` to replace it.",
        path: "sink/a",
      },
      closedTwice: { code: "USAGE", message: "The file is already closed.", hint: undefined, path: "sink/a" },
    });
  });

  test.each([
    ["a worker", call],
    ["a page", here],
  ] as const)("a file of the disk, from %s, is empty until it is whole", async (_place, run) => {
    expect(await run("foreignSink")).toMatchObject({
      stage: true,
      unfinished: { open: 0, raw: ["a"] },
      raw: ["a"],
      bytes: [0, 1, 2, 0, 1],
      again: { code: "IO", path: "disk/a" },
    });
  });

  test("an aborted file leaves nothing, and the file that it would have replaced", async () => {
    const result = { raw: ["old"], before: characters("mine"), after: [0, 1] };
    expect(await call("aborted")).toEqual([result, result]);
    expect(await here("aborted")).toEqual([result, result]);
  });

  test("folders are made, listed, and removed with their last file; names stay inside", async () => {
    expect(await call("folders")).toMatchObject({
      found: { deep: [], deeper: ["a"], not: [] },
      missing: [true, true],
      raw: [],
      outside: { code: "FORMAT" },
      inTheWay: { code: "IO", message: expect.stringContaining("a folder is where a file is needed") },
    });
  });

  test("a staged file is written in any order, and appears whole", async () => {
    expect(await call("stagedAnyOrder")).toEqual({
      during: { raw: [".a.requant-journal", ".a.requant-part"], list: [] },
      back: some(300),
      tooFar: expect.objectContaining({ code: "IO", message: "The file ends at byte 1000." }),
      closed: expect.objectContaining({ code: "USAGE" }),
      raw: ["a"],
      bytes: [...Array(100).fill(0), ...some(300), ...Array(500).fill(0), ...some(100)],
    });
  });

  test("a staged file continues with kept files, or removes them", async () => {
    expect(await call("stagedKept")).toEqual({
      found: { journal: "one\n", published: false, back: some(400) },
      journal: "onx",
      afresh: { journal: 0, back: Array(400).fill(0) },
      raw: [],
    });
  });

  test("a tab that was closed between the final name and the end of the journal is recognised", async () => {
    expect(await call("stagedPublished")).toEqual({ published: true, back: "whole", raw: ["a"] });
  });

  test("a staged file replaces a file only if allowed, and loses its name again when kept", async () => {
    expect(await call("stagedOverwrite")).toEqual({
      failure: expect.objectContaining({ code: "IO", message: "The file already exists." }),
      before: characters("mine"),
      byteLength: 1000,
      raw: [".a.requant-journal", ".a.requant-part"],
    });
  });

  test("names of any length have working names of their own", async () => {
    const { names, longest, count, raw } = (await call("longNames")) as {
      names: string[];
      longest: number;
      count: number;
      raw: string[];
    };
    expect(raw).toEqual(names);
    expect(count).toBe(4);
    expect(longest).toBeLessThan(100);
  });

  test("one tab writes a file; when that tab is closed, another continues", async () => {
    const inUse = expect.objectContaining({
      code: "IO",
      path: "held/a",
      message: "Another run is writing this file, here or in another tab.",
    });
    expect(await call("hold")).toEqual(inUse);
    const other = await openPage(page.context());
    expect(await call("tryHeld", 0, other)).toEqual([inUse, inUse]);
    await page.evaluate("endWorker()");
    await expect
      .poll(() => call("takeOver", 0, other))
      .toEqual({ journal: "one\n", back: some(400), raw: [] });
    await other.close();
  });

  test.each(["a private window", "a window"])(
    "a full storage is told in %s, and nothing is left",
    async (kind) => {
      const profile = await mkdtemp(join(tmpdir(), "requant-profile-"));
      const context = kind === "a window" ? await launchWithProfile(profile) : await browser.newContext();
      try {
        const tab = await openPage(context);
        const devtools = await context.newCDPSession(tab);
        await devtools.send("Storage.overrideQuotaForOrigin", { origin: server.origin, quotaSize: 10e6 });
        const noRoom = expect.objectContaining({
          code: "IO",
          message: expect.stringMatching(
            /^Cannot (create|write) the file: the browser has no more room for this page\.$/,
          ),
          hint: expect.stringContaining("Remove files"),
        });
        expect(await call("noRoom", 20e6, tab)).toEqual({
          staged: noRoom,
          written: noRoom,
          grown: noRoom,
          raw: [],
        });
      } finally {
        await context.close();
        await rm(profile, { recursive: true, force: true });
      }
    },
  );

  test("a file or a folder that is removed meanwhile is told", async () => {
    expect(await call("vanished")).toEqual({
      read: expect.objectContaining({ code: "IO", path: "storage/a", hint: "Choose the file again." }),
      create: expect.objectContaining({
        code: "IO",
        path: "storage/b",
        message: "Cannot create the file: the file or its folder is not there any more.",
        hint: expect.stringContaining("Choose the folder again"),
      }),
      list: expect.objectContaining({ code: "IO", path: "storage" }),
    });
  });

  test("a permission that was taken away is told", async () => {
    const refusal = (action: string, path: string): unknown => ({
      code: "IO",
      path,
      message: `Cannot ${action}: the page has no permission to do this.`,
      hint: "Allow the page to change files in this folder, or choose the folder again.",
    });
    expect(await call("refused")).toEqual({
      create: refusal("create the file", "disk/a"),
      deep: refusal("create the file", "disk/b/a"),
      open: refusal("open the file", "disk/a"),
      list: refusal("list the folder", "disk/b"),
      remove: refusal("remove the file", "disk/a"),
    });
  });
});

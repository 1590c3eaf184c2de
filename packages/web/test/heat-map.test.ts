/** Heat maps of tensors, and long lists of them, in the built page. */
import { closeSync, ftruncateSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Metadata } from "@requant/core";
import { layoutGguf } from "@requant/gguf";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MadeModels } from "./made-models.ts";
import { BuiltPage, whyNoPage } from "./page.ts";
import { type StaticServer, serveFolder } from "./static-server.ts";
import { openFiles, region, rowsOf, showTensor } from "./tensor-page.ts";

const metadata: Metadata = new Map([["general.architecture", { type: "string", value: "llama" }]]);

/** Rows and columns of a tensor of F32 that is too large to be read as soon as it is shown. */
const [ROWS, COLUMNS] = [32_768, 1024];
const ROW_BYTES = COLUMNS * 4;

/** Writes a file of zeros but for a few weights: it takes no room on the disk. */
function writeLarge(
  path: string,
  weights: readonly (readonly [row: number, column: number, value: number])[],
): void {
  const layout = layoutGguf({
    metadata,
    tensors: [{ name: "blk.0.ffn_up.weight", shape: [ROWS, COLUMNS], encoding: "F32" }],
  });
  const file = openSync(path, "w");
  writeSync(file, layout.header);
  ftruncateSync(file, layout.byteLength);
  for (const [row, column, value] of weights) {
    writeSync(
      file,
      new Uint8Array(Float32Array.of(value).buffer),
      0,
      4,
      layout.dataOffset + row * ROW_BYTES + column * 4,
    );
  }
  closeSync(file);
}

async function cursorText(page: Page): Promise<string> {
  return (await region(page, "Heat map").getByRole("status").textContent()) ?? "";
}

describe.skipIf(whyNoPage !== undefined)(`heat maps (skipped: ${whyNoPage ?? ""})`, () => {
  let built: BuiltPage;
  let made: MadeModels;
  let server: StaticServer;
  beforeAll(async () => {
    built = await BuiltPage.start();
    made = new MadeModels();
    server = await serveFolder(made.folder);
  });
  afterAll(async () => {
    await server.close();
    made.remove();
    await built.close();
  });

  it("read only the rows that can be seen, until all is asked for, and that can be stopped", async () => {
    writeLarge(join(made.folder, "large.gguf"), [
      [0, 0, 1],
      [1, 2, -0.5],
      [20_000, 1000, 0.25],
    ]);
    const sent = (): number => server.sent.get("/large.gguf") ?? 0;
    const page = await built.open({ viewport: { width: 1280, height: 900 } });
    await page.getByLabel("Address").fill(`${server.url}large.gguf`);
    await page.getByRole("button", { name: "Open", exact: true }).click();
    await page.getByRole("tab", { name: "Tensors" }).waitFor();
    const header = sent();
    await showTensor(page, "blk.0.ffn_up.weight");
    const map = page.getByRole("group", { name: "Heat map of blk.0.ffn_up.weight" });
    await expect.poll(() => cursorText(page), { timeout: 20_000 }).toBe("Row 0, column 0: 1");
    // 480 rows of 32,768 are seen; reads of an address go up to four pieces of a mebibyte ahead
    const seen = 480 * ROW_BYTES;
    const slack = 5 * 1024 * 1024;
    await region(page, "Heat map").getByText("Reading rows…").waitFor({ state: "hidden" });
    expect(sent() - header).toBeGreaterThan(0);
    expect(sent() - header).toBeLessThanOrEqual(seen + slack);

    await map.focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await expect.poll(() => cursorText(page), { timeout: 20_000 }).toBe("Row 1, column 2: -0.5");
    const around = await rowsOf(page, "Numbers around the cursor");
    expect(around[1]?.slice(0, 4)).toEqual(["1", "0", "0", "-0.5"]);

    const before = sent();
    await page.getByLabel("Row", { exact: true }).fill("20000");
    await page.getByLabel("Row", { exact: true }).press("Enter");
    await page.getByLabel("Column", { exact: true }).fill("1000");
    await page.getByLabel("Column", { exact: true }).press("Enter");
    await expect.poll(() => cursorText(page), { timeout: 20_000 }).toBe("Row 20,000, column 1,000: 0.25");
    expect(sent() - before).toBeLessThanOrEqual(seen + slack);

    await page.getByRole("button", { name: "Zoom out" }).click();
    await page.getByRole("button", { name: "Zoom out" }).click();
    await page.getByText("1 pixel for the largest of 4 × 4 weights").waitFor();
    await expect.poll(() => cursorText(page), { timeout: 20_000 }).toBe("Row 20,000, column 1,000: 0.25");

    await page.getByRole("button", { name: "Read all of it (134 MB)" }).click();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText("Reading was stopped.").waitFor();
    expect(sent()).toBeLessThan(ROWS * ROW_BYTES);
    expect(built.complaints).toEqual([]);
  });

  it("mark codes that no weight has, and say so where a file cannot be read any more", async () => {
    const shape = [4, 64];
    const layout = layoutGguf({
      metadata,
      tensors: [
        { name: "blk.0.ffn_up.weight", shape, encoding: "Q4_0" },
        { name: "positions", shape: [8], encoding: "I32" },
        // larger than the pages of a file that the host keeps
        { name: "output.weight", shape: [512, 1024], encoding: "F32" },
      ],
    });
    const bytes = new Uint8Array(layout.byteLength);
    bytes.set(layout.header);
    const start = layout.tensors[0]?.byteOffset ?? 0;
    for (let block = 0; block < 8; block++) {
      // the scale 1 as f16, then the codes 2 and 9 for all weights
      bytes.set([0x00, 0x3c], start + block * 18);
      bytes.fill(0x92, start + block * 18 + 2, start + block * 18 + 18);
    }
    const path = join(made.folder, "few-codes.gguf");
    writeFileSync(path, bytes);
    const page = await built.open();
    await openFiles(page, [path]);
    await showTensor(page, "blk.0.ffn_up.weight");
    await page
      .getByText("2 of 16 codes occur. Unused: 0, 1, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15.")
      .waitFor();
    await page.getByRole("button", { name: "Next tensor" }).click();
    await page.getByRole("heading", { name: "positions" }).waitFor();
    await region(page, "Values").waitFor();
    rmSync(path);
    await page.getByRole("button", { name: "Next tensor" }).click();
    await page.getByRole("list", { name: "Findings" }).first().waitFor();
    await page.getByRole("tab", { name: "Tensors" }).click();
    await page.getByRole("gridcell", { name: "positions" }).waitFor();
    expect(built.complaints).toEqual([]);
  });

  it("follow a list of 100,000 tensors, of which only the visible rows are in the page", async () => {
    const tensors = Array.from({ length: 100_000 }, (_, index) => ({
      name: `blk.${String(Math.floor(index / 10))}.part_${String(index % 10)}.weight`,
      shape: [1],
      encoding: "F32",
    }));
    const layout = layoutGguf({ metadata, tensors });
    const bytes = new Uint8Array(layout.byteLength);
    bytes.set(layout.header);
    const path = join(made.folder, "long.gguf");
    writeFileSync(path, bytes);
    const page = await built.open();
    await openFiles(page, [path]);
    await page.getByRole("tab", { name: "Tensors" }).click();
    const grid = page.getByRole("grid", { name: "Tensors" });
    await grid.getByText("blk.0.part_0.weight").waitFor();
    expect(await grid.getAttribute("aria-rowcount")).toBe("100001");
    const rows = grid.locator('[role="rowgroup"] [role="row"]');
    const shown = async (): Promise<number> => {
      const count = await rows.count();
      expect(count).toBeLessThan(80);
      return count;
    };
    expect(await shown()).toBeGreaterThan(10);
    await grid.getByRole("button", { name: "Name" }).click();
    await grid.getByRole("button", { name: "Name" }).click();
    await grid.getByText("blk.9999.part_9.weight").waitFor();
    await shown();
    await grid.focus();
    await page.keyboard.press("End");
    await grid.getByText("blk.0.part_0.weight").waitFor();
    await shown();
    await page.getByRole("searchbox").fill("777 part_3");
    // layers 777, 1777 to 9777, and 7770 to 7779, of which 7777 is one of both
    await page.getByText("19 of 100,000 tensors").waitFor();
    expect(await shown()).toBe(20);
    await page.getByRole("tab", { name: "Pictures" }).click();
    await page.getByText("9,744 more layers are not shown.").waitFor();
    expect(built.complaints).toEqual([]);
  });
});

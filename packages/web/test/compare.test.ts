/** Comparing, metadata, tokens and edits in the built page. The oracle is the command line for the same models. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { command, convertedBy } from "./command.ts";
import { BuiltPage, whyNoPage } from "./page.ts";

const root = resolve(import.meta.dirname, "../../..");
const kjv = join(root, "fixtures/kjv/hf");
const gpt2 = join(root, "fixtures/arch/gpt2-tiny");

async function open(page: Page, path: string): Promise<void> {
  await page.getByLabel(/\.gguf$/.test(path) ? "Open files" : "Open a folder").setInputFiles(path);
  await page.getByRole("tab", { name: "Overview" }).waitFor();
}

/** The texts of a table's cells, row by row. */
async function cells(page: Page, name: string): Promise<string[][]> {
  const region = page.getByRole("region", { name });
  await region.getByRole("row").first().waitFor();
  const rows = await region.getByRole("row").all();
  return Promise.all(
    rows
      .slice(1)
      .map(async (row) => (await row.locator("th, td").allInnerTexts()).map((text) => text.trim())),
  );
}

describe.skipIf(whyNoPage !== undefined)(`comparing and editing (skipped: ${whyNoPage ?? ""})`, () => {
  let built: BuiltPage;
  let folder: string;
  let q4: string;
  let q8: string;
  let gpt2File: string;
  beforeAll(async () => {
    built = await BuiltPage.start();
    folder = mkdtempSync(join(tmpdir(), "web-compare-"));
    q4 = join(folder, "q4.gguf");
    q8 = join(folder, "q8.gguf");
    gpt2File = join(folder, "gpt2.gguf");
    convertedBy(kjv, q4, "--to", "gguf:q4_0");
    convertedBy(kjv, q8, "--to", "gguf:q8_0");
    convertedBy(gpt2, gpt2File, "--to", "gguf:f16");
  });
  afterAll(async () => {
    await built.close();
    rmSync(folder, { recursive: true });
  });

  it("compares a directory with a GGUF: the figures of `verify --json`, the worst tensor first", async () => {
    const page = await built.open();
    await open(page, q4);
    await open(page, kjv);
    await page.getByRole("tab", { name: "Compare" }).click();
    await page.getByRole("button", { name: "Compare all weights" }).click();
    const grid = page.getByRole("grid", { name: "Compared tensors" });
    await grid.waitFor();
    const { tensors } = JSON.parse(command("verify", kjv, q4, "--json").stdout) as {
      readonly tensors: readonly {
        readonly name: string;
        readonly equal: boolean;
        readonly relativeRmse: number;
      }[];
    };
    const different = tensors.filter(({ equal }) => !equal);
    expect(different.length).toBeGreaterThan(0);
    await page.getByText(`${different.length} of ${tensors.length} tensors differ.`).waitFor();
    const worst = different.reduce((most, one) => (one.relativeRmse > most.relativeRmse ? one : most));
    const first = await grid.getByRole("row").nth(1).getByRole("gridcell").allInnerTexts();
    expect(first[0]).toBe(worst.name);
    expect(Number(first[3])).toBeCloseTo(worst.relativeRmse, 4);
    expect(built.complaints).toEqual([]);
  });

  it("two copies of the same weights are equal, and their metadata is compared", async () => {
    const page = await built.open();
    await open(page, q8);
    await open(page, q4);
    await page.getByRole("tab", { name: "Compare" }).click();
    const diff = await cells(page, "Metadata that differs");
    expect(diff.map(([key]) => key)).toEqual(["general.file_type"]);
    await open(page, q4);
    await page.getByRole("tab", { name: "Compare" }).click();
    await page.getByLabel("Compare with").selectOption({ index: 2 });
    await page.getByRole("button", { name: "Compare all weights" }).click();
    await page.getByText("The models hold the same weights.").waitFor();
  });

  it("shows metadata as the command lists it, searches it, and copies a value", async () => {
    const page = await built.open({ permissions: ["clipboard-read", "clipboard-write"] });
    await open(page, q4);
    await page.getByRole("tab", { name: "Metadata" }).click();
    await page.getByRole("region", { name: "Metadata" }).waitFor();
    const listed = JSON.parse(command("metadata", "list", q4, "--json").stdout) as readonly {
      readonly key: string;
    }[];
    expect((await cells(page, "Metadata")).map(([key]) => key)).toEqual(listed.map(({ key }) => key));
    await page.getByLabel("Search in keys and values").fill("block_count");
    expect((await cells(page, "Metadata")).map(([key, type, value]) => [key, type, value])).toEqual([
      ["llama.block_count", "u32", "3"],
    ]);
    await page.getByRole("button", { name: "Copy the value of llama.block_count" }).click();
    expect(await page.evaluate("navigator.clipboard.readText()")).toBe("3");
  });

  it("cuts text into the tokens of the model's own tokenizer, and finds tokens", async () => {
    const page = await built.open();
    await open(page, gpt2File);
    await page.getByRole("tab", { name: "Tokens" }).click();
    const text = "In the beginning, God said: 7 days";
    await page.getByLabel("Text", { exact: true }).fill(text);
    const json = (name: string): object => JSON.parse(readFileSync(join(gpt2, name), "utf8"));
    const tokenizer = new Tokenizer(json("tokenizer.json"), json("tokenizer_config.json"));
    const { ids } = tokenizer.encode(text, { add_special_tokens: false });
    await page.getByText(`${ids.length} tokens for ${text.length} characters`).waitFor();
    expect((await cells(page, "Tokens")).map(([id]) => Number(id))).toEqual(ids);
    await page.getByLabel("Find tokens").fill("5 6");
    await page.getByText(/^2 of /).waitFor();
    const found = (await cells(page, "Tokens")).slice(-2);
    expect(found.map(([id, , own]) => [Number(id), JSON.parse(own ?? "")])).toEqual(
      [5, 6].map((id) => [id, tokenizer.decode([id], { skip_special_tokens: false })]),
    );
  });

  it("edits metadata and downloads the file that the command writes", async () => {
    const page = await built.open();
    // without choosers, as in Firefox and Safari
    await page.addInitScript("delete globalThis.showSaveFilePicker");
    await page.reload();
    await open(page, q4);
    await page.getByRole("tab", { name: "Metadata" }).click();
    await page.getByRole("button", { name: "Edit general.name" }).click();
    await page.getByLabel("New value of general.name").fill("A new name");
    await page.getByRole("button", { name: "Keep" }).click();
    await page.getByLabel("Add a key").fill("general.author=string:Someone");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    const downloading = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save the changed file" }).click();
    const download = await downloading;
    const copy = join(folder, "copy.gguf");
    await download.saveAs(copy);
    const wanted = join(folder, "wanted.gguf");
    convertedBy(kjv, wanted, "--to", "gguf:q4_0");
    command("metadata", "set", wanted, "general.name=A new name", "general.author=string:Someone");
    const sha256 = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");
    expect(sha256(copy)).toBe(sha256(wanted));
    expect(built.complaints).toEqual([]);
  });

  it("a change that readers would refuse is not written unless asked for", async () => {
    const page = await built.open();
    await open(page, q4);
    await page.getByRole("tab", { name: "Metadata" }).click();
    await page.getByRole("button", { name: "Remove llama.block_count" }).click();
    const findings = page.getByRole("list", { name: "Findings" });
    await findings.getByText("Error").first().waitFor();
    const save = page.getByRole("button", { name: "Save the changed file" });
    expect(await save.isDisabled()).toBe(true);
    await page.getByLabel("Write it although readers will refuse it, or misread it").check();
    expect(await save.isDisabled()).toBe(false);
    await page.getByRole("button", { name: "Undo the change of llama.block_count" }).click();
    await save.waitFor({ state: "detached" });
  });
});

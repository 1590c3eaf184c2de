/** Opening models and looking at all that is in them, in the built page in Chromium. */
import { closeSync, cpSync, ftruncateSync, openSync, readdirSync, statSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import { layoutGguf } from "@requant/gguf";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { command, convertedBy } from "./command.ts";
import { MadeModels } from "./made-models.ts";
import { BuiltPage, whyNoPage } from "./page.ts";

const kjv = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");

/** Targets of the command, and what the page must say of each output. */
const outputs = [
  { name: "kjv.gguf", target: "gguf:q4_k_m", format: "GGUF version 3, little-endian" },
  { name: "kjv-gptq", target: "gptq:4bit-32g-sym", format: "21 weights packed as gptq" },
  { name: "kjv-awq", target: "awq:4bit-32g", format: "21 weights packed as awq" },
  { name: "kjv-exl2", target: "exl2:4.5bpw", format: "22 weights packed as exl2" },
] as const;

/** A tensor that each of the models has, under one of its two names. */
const query = /^(blk\.0\.attn_q|model\.layers\.0\.self_attn\.q_proj)\.weight$/;

/** What each tab shows once it is ready. */
const ready: Readonly<Record<string, (page: Page) => Promise<void>>> = {
  Overview: (page) => page.getByRole("heading", { name: "Findings" }).waitFor(),
  Tensors: (page) => page.getByRole("grid", { name: "Tensors" }).getByText(query).waitFor(),
  Pictures: (page) => page.getByRole("grid", { name: "Bits per weight by layer and role" }).waitFor(),
  Tensor: (page) => page.getByText("Choose a tensor in the list of tensors").waitFor(),
  Metadata: (page) =>
    page
      .getByRole("row", { name: /vocab_size|block_count/ })
      .first()
      .waitFor(),
  // 6 tokens: tokenizer.json of the bundled model, by @huggingface/tokenizers
  Tokens: (page) => page.getByText("6 tokens for 12 characters").waitFor(),
  Compare: (page) => page.getByLabel("Compare with").waitFor(),
  Convert: (page) => page.getByLabel("Target", { exact: true }).waitFor(),
};

async function open(page: Page, path: string): Promise<void> {
  await page.getByLabel(statSync(path).isFile() ? "Open files" : "Open a folder").setInputFiles(path);
}

describe.skipIf(whyNoPage !== undefined)(`opening (skipped: ${whyNoPage ?? ""})`, () => {
  let built: BuiltPage;
  let made: MadeModels;
  beforeAll(async () => {
    made = new MadeModels();
    built = await BuiltPage.start();
    for (const { name, target } of outputs) convertedBy(kjv, join(made.folder, name), "--to", target);
  }, 240_000);
  afterAll(async () => {
    await built.close();
    made.remove();
  });

  it("shows facts, tensors and findings of chosen files, and nothing on the console", async () => {
    const page = await built.open();
    await page
      .getByLabel("Open files")
      .setInputFiles([join(kjv, "config.json"), join(kjv, "model.safetensors")]);
    await page.getByRole("tab", { name: "Tensors" }).click();
    const grid = page.getByRole("grid", { name: "Tensors" });
    await grid.getByText("model.layers.0.self_attn.q_proj.weight").waitFor();
    expect(await grid.getAttribute("aria-rowcount")).toBe("31");
    expect(built.complaints).toEqual([]);
  });

  it("keeps five models of five formats open, and shows each of them in every tab", async () => {
    const page = await built.open();
    const models = [
      { path: kjv, name: "hf", format: "Hugging Face directory, safetensors" },
      ...outputs.map(({ name, format }) => ({ path: join(made.folder, name), name, format })),
    ];
    const list = page.getByRole("navigation", { name: "Models" });
    for (const { path, name, format } of models) {
      await open(page, path);
      await list.getByRole("listitem").filter({ hasText: name }).getByText(format).waitFor();
    }
    for (const { name, format } of models) {
      await list.getByRole("button", { name: new RegExp(`^${name} `) }).click();
      await page.getByRole("heading", { name, exact: true }).waitFor();
      expect(await page.getByRole("tab").allTextContents()).toEqual(Object.keys(ready));
      for (const [tab, isReady] of Object.entries(ready)) {
        await page.getByRole("tab", { name: tab, exact: true }).click();
        await isReady(page);
        const refusals = await page.getByRole("tabpanel").locator(".finding.error").allTextContents();
        expect([name, tab, refusals]).toEqual([name, tab, []]);
      }
      await page.getByRole("tab", { name: "Overview" }).click();
      const facts = page.getByRole("region", { name: "Facts" });
      expect(await facts.getByText(format).count()).toBe(1);
      expect(
        await facts
          .locator("div", { hasText: /^tensors/ })
          .locator("dd")
          .textContent(),
      ).toBe("30");
    }
    expect(built.complaints).toEqual([]);
  }, 180_000);

  it("reads a header of megabytes to its end, when nothing else holds the reader of the file", async () => {
    const path = join(made.folder, "long.gguf");
    const layout = layoutGguf({
      metadata: new Map([["general.architecture", { type: "string", value: "llama" }]]),
      tensors: Array.from({ length: 100_000 }, (_, index) => ({
        name: `blk.${String(Math.floor(index / 10))}.part_${String(index % 10)}.weight`,
        shape: [64],
        encoding: "F32",
      })),
    });
    const file = openSync(path, "w");
    writeSync(file, layout.header);
    ftruncateSync(file, layout.byteLength);
    closeSync(file);
    const page = await built.open();
    await open(page, path);
    await page.getByRole("tab", { name: "Tensors" }).click();
    await page.getByText("100,000 tensors").waitFor();
    expect(await page.getByRole("grid", { name: "Tensors" }).getAttribute("aria-rowcount")).toBe("100001");
  }, 90_000);

  it("opens files of one folder that were chosen together as one model", async () => {
    const page = await built.open();
    const folder = join(made.folder, "kjv-gptq");
    await page.getByLabel("Open files").setInputFiles(readdirSync(folder).map((name) => join(folder, name)));
    await page.getByRole("tab", { name: "Overview" }).waitFor();
    expect(await page.getByRole("navigation", { name: "Models" }).getByRole("listitem").count()).toBe(1);
  });

  it("finds in the weights what `doctor` finds, and shows it again after another tab", async () => {
    const damaged = join(made.folder, "damaged");
    cpSync(kjv, damaged, { recursive: true });
    const weights = join(damaged, "model.safetensors");
    const file = openSync(weights, "r+");
    // two NaN in BF16
    writeSync(file, Buffer.alloc(4, 0xff), 0, 4, statSync(weights).size - 4);
    closeSync(file);
    const { findings } = JSON.parse(command("doctor", damaged, "--json").stdout) as {
      readonly findings: readonly { readonly code: string; readonly message: string }[];
    };
    expect(findings.map(({ code }) => code)).toEqual(["nan-weights"]);
    const page = await built.open();
    await open(page, damaged);
    const found = page.getByRole("list", { name: "Findings" }).getByText(findings[0]?.message ?? "");
    await page.getByText("Nothing to report.").waitFor();
    await page.getByRole("button", { name: "Read all weights and look for faults" }).click();
    await found.waitFor();
    await page.getByRole("tab", { name: "Tensors" }).click();
    await page.getByRole("grid", { name: "Tensors" }).waitFor();
    await page.getByRole("tab", { name: "Overview" }).click();
    await found.waitFor();
    expect(built.complaints).toEqual([]);
  });
});
